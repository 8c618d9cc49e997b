import { engineTests, raftTests, storageTests } from './areas.ts'
import type { Section } from './mutant.ts'

const groupWrites = 'src/engine/replica/group-writes.ts'
const indexeddbStore = 'src/storage/indexeddb-store.ts'
const joining = 'src/engine/host/joining.ts'
const record = 'src/storage/record.ts'
const replica = 'src/engine/replica/replica.ts'
const snapshots = 'src/engine/snapshots/snapshots.ts'
const unstableLog = 'src/core/raft/unstable-log.ts'
const writer = 'src/engine/replica/writer.ts'

export const storage: Section = {
  name: 'storage',
  tests: [
    ...storageTests(
      'record',
      'memory',
      'memory-disk',
      'model',
      'file-log',
      'file',
      'file-snapshots',
      'indexeddb',
      'volatile',
    ),
    ...engineTests(
      'writer',
      'group-writes',
      'replica',
      'snapshots',
      'compaction',
      'store',
      'members',
      'groups',
    ),
    ...raftTests('replication'),
    'test/crash/file-crash.test.ts',
  ],
  mutants: [
    {
      id: 'M60',
      first: 'engine/group-writes',
      title: 'entries are stored without the term and vote that belong to them',
      edits: [
        {
          file: groupWrites,
          find: '      ...(hardState !== undefined ? { hardState } : {}),',
          replace: '      ...(hardState !== undefined && entries.length === 0 ? { hardState } : ' + '{}),',
        },
      ],
    },
    {
      id: 'M60b',
      first: 'engine/group-writes',
      title: 'a vote is not taken for something to write',
      edits: [
        {
          file: groupWrites,
          find: 'const isVote = term > 0 && (term !== this.written.term || vote !== ' + 'this.written.vote)',
          replace: 'const isVote = term > 0 && term !== this.written.term',
        },
      ],
    },
    {
      id: 'M61',
      title: 'recovery cuts the log at the first record that is damaged',
      edits: [
        {
          file: record,
          find: `  if (laterRecord(file, place)) return { type: 'damaged', reason: 'invalid, and valid ones\
 follow' }
`,
          replace: '',
        },
        {
          file: record,
          find: "  return { type: 'damaged', reason: 'whole, but its checksum is wrong' }",
          replace: "  return { type: 'torn' }",
        },
      ],
    },
    {
      id: 'M61b',
      title: 'a damaged record with valid ones behind it is cut',
      edits: [
        {
          file: record,
          find: `  if (laterRecord(file, place)) return { type: 'damaged', reason: 'invalid, and valid ones\
 follow' }
`,
          replace: `  if (laterRecord(file, place)) return { type: 'torn' }
`,
        },
      ],
    },
    {
      id: 'M61c',
      title: 'the checksum of a record is not looked at',
      edits: [
        {
          file: record,
          find: 'if (end <= file.length && crc32(body, place.salt) === header.bodyCrc) {',
          replace: 'if (end <= file.length) {',
        },
      ],
    },
    {
      id: 'M63',
      first: 'engine/snapshots',
      title: 'the log is compacted before the snapshot is durable',
      edits: [
        {
          file: snapshots,
          find: `    this.parts.storage
      .saveSnapshot(group, snapshot, this.unhurried(encodeSnapshot(state)))
      .then(() => replica.adoptSnapshot(snapshot))`,
          replace: `    const saved = this.parts.storage.saveSnapshot(group, snapshot,\
 this.unhurried(encodeSnapshot(state)))
    replica.adoptSnapshot(snapshot)
    saved`,
        },
      ],
    },
    {
      id: 'M63b',
      first: 'engine/replica',
      title: 'the log in memory is compacted before the write of it is durable',
      edits: [
        {
          file: replica,
          find: `    this.host.writer.add(this.group, write, () => {
      this.log.setSnapshot(snapshot)
      this.log.compact(compactTo)
      this.state.forget(compactTo)
    })`,
          replace: `    this.host.writer.add(this.group, write, () => {})
    this.log.setSnapshot(snapshot)
    this.log.compact(compactTo)
    this.state.forget(compactTo)`,
        },
      ],
    },
    {
      id: 'M64',
      title: 'what was applied is told by the log, apart from the data',
      first: 'engine/store',
      edits: [
        {
          file: replica,
          find: 'this.node = newRaftNode({ id: this.id, log: this.log, applied: machine.appliedIndex,',
          replace:
            'const applied = Math.max(machine.appliedIndex, hardState.commit)\n' +
            '    this.node = newRaftNode({ id: this.id, log: this.log, applied,',
        },
      ],
    },
    {
      id: 'M66',
      first: 'engine/groups',
      title: 'a member forgets its log and votes, and starts empty under its old id',
      edits: [
        {
          file: joining,
          find: '    if (!this.removalStored.has(group)) throw',
          replace: '    if (this.removalStored.size < 0) throw',
        },
      ],
    },
    {
      id: 'M67',
      first: 'storage/indexeddb',
      title: 'a transaction of the browser is done when it is handed to the system',
      edits: [
        { file: indexeddbStore, find: "{ durability: 'strict' }", replace: "{ durability: 'relaxed' }" },
      ],
    },
    {
      id: 'M69',
      first: 'raft/random-network',
      title: 'an older write that completes late is taken for newer progress',
      edits: [
        {
          file: unstableLog,
          find: `    this.list.dropBefore(index + 1)
    this.offsetInProgress = Math.max`,
          replace: `    this.list.dropBefore(index + 1)
    this.offsetInProgress = Math.min`,
        },
      ],
    },
    {
      id: 'M69b',
      first: 'engine/writer',
      title: 'the next write leaves before the one before it is durable',
      edits: [
        {
          file: writer,
          find: 'if (this.isWriting || this.isStopped || this.queue.length === 0) return',
          replace: 'if (this.isStopped || this.queue.length === 0) return',
        },
      ],
    },
    {
      id: 'M69c',
      first: 'engine/writer',
      title: 'a write is reported as done when it is handed to the disk',
      edits: [
        {
          file: writer,
          find: `    this.storage
      .write(batch)
      .then(() => {`,
          replace: `    const write = this.storage.write(batch)
    Promise.resolve()
      .then(() => {`,
        },
        {
          file: writer,
          find: `        this.flush()
      })
      .catch`,
          replace: `        this.flush()
        return write
      })
      .catch`,
        },
      ],
    },
  ],
}

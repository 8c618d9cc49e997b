import { engineTests, machineTests, raftTests, storageTests } from './areas.ts'
import type { Section } from './mutant.ts'

const chunk = 'src/engine/snapshots/snapshot-chunk.ts'
const compaction = 'src/engine/replica/compaction.ts'
const incomingSnapshot = 'src/engine/snapshots/incoming-snapshot.ts'
const keyspace = 'src/core/machine/keyspace.ts'
const machine = 'src/core/machine/machine.ts'
const replica = 'src/engine/replica/replica.ts'
const replication = 'src/core/raft/replication.ts'
const sessions = 'src/core/machine/sessions.ts'
const snapshot = 'src/core/raft/snapshot.ts'
const snapshotCodec = 'src/wire/snapshot-codec.ts'
const snapshotsFile = 'src/engine/snapshots/snapshots.ts'
const storedState = 'src/storage/stored-state.ts'

export const snapshots: Section = {
  name: 'snapshots',
  tests: [
    ...raftTests('snapshot'),
    'test/wire/snapshot.test.ts',
    ...machineTests,
    ...storageTests('model', 'memory', 'file-log', 'file'),
    ...engineTests('compaction', 'snapshots', 'replica', 'store', 'slow-peers'),
  ],
  mutants: [
    {
      id: 'M70',
      first: 'wire/snapshot',
      title: 'a snapshot has no results of sessions',
      edits: [
        {
          file: snapshotCodec,
          find: `    for (const [seq, result] of session.results) yield [resultRecord, seq, ...resultFields(result)]
`,
          replace: '',
        },
        {
          file: snapshotCodec,
          find: 'for (const session of sessions.values()) results += session.results.size',
          replace: 'for (const session of sessions.values()) results += 0 * session.results.size',
        },
      ],
    },
    {
      id: 'M70b',
      first: 'wire/snapshot',
      title: 'a state that is restored has no sessions',
      edits: [
        {
          file: machine,
          find: 'new Sessions(this.limits, state.sessions.values(), ',
          replace: 'new Sessions(this.limits, [], ',
        },
      ],
    },
    {
      id: 'M70c',
      first: 'machine/model',
      title: 'a snapshot forgets up to where a session is acknowledged',
      edits: [
        {
          file: snapshotCodec,
          find: 'yield [sessionRecord, session.id, session.host, session.floor, ',
          replace: 'yield [sessionRecord, session.id, session.host, 0, ',
        },
      ],
    },
    {
      id: 'M71',
      first: 'engine/store',
      title: 'a state that was restored claims to know the changes before it',
      edits: [{ file: machine, find: 'isUntouched ? 0 : state.index)', replace: '0)' }],
    },
    {
      id: 'M71b',
      first: 'engine/replica',
      title: 'watchers stay silent about what a snapshot skipped',
      edits: [
        {
          file: replica,
          find: `    this.watchers.reset(snapshot.index)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M72',
      title: 'a snapshot of what is committed already is installed',
      edits: [
        {
          file: snapshot,
          find: `  if (snapshot.index <= log.committed) return false
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M72b',
      first: 'engine/snapshots',
      title: 'the receiver asks for a snapshot that it does not need',
      edits: [
        {
          file: snapshotsFile,
          find: 'if (snapshot.index <= replica.node.status().commit) {',
          replace: 'if (snapshot.index < 0) {',
        },
      ],
    },
    {
      id: 'M73',
      title: 'what contradicts the snapshot is kept behind it',
      edits: [
        {
          file: snapshot,
          find: '  if (log.matchTerm(snapshot.index, snapshot.term)) {',
          replace: '  if (log.lastIndex() >= snapshot.index) {',
        },
      ],
    },
    {
      id: 'M73b',
      first: 'storage/model',
      title: 'storage keeps a log that does not match the snapshot',
      edits: [
        {
          file: storedState,
          find: 'if (!write.snapshot.keepsLog) dropFrom',
          replace: 'if (write.snapshot.id < 0) dropFrom',
        },
      ],
    },
    {
      id: 'M74',
      first: 'raft/snapshot',
      title: 'a log that the snapshot is a prefix of is thrown away',
      edits: [
        {
          file: snapshot,
          find: '  if (log.matchTerm(snapshot.index, snapshot.term)) {',
          replace: '  if (snapshot.index < 0) {',
        },
      ],
    },
    {
      id: 'M74b',
      first: 'storage/model',
      title: 'storage throws away the entries behind its own snapshot',
      edits: [
        {
          file: storedState,
          find: 'if (!write.snapshot.keepsLog) dropFrom',
          replace: 'if (write.snapshot.id >= 0) dropFrom',
        },
      ],
    },
    {
      id: 'M77',
      first: 'engine/snapshots',
      title: 'chunks of whatever snapshot are put together',
      edits: [
        {
          file: snapshotsFile,
          find: `if (incoming?.isOf(from, asNatural(term), asNatural(index)) !== true) return
    incoming.heardAt`,
          replace: `if (incoming === undefined || term === index + 0.5) return
    incoming.heardAt`,
        },
        {
          file: incomingSnapshot,
          find: `    if (running !== checksum) throw new MalformedError('a piece of a snapshot does not\
 belong to it')
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M77b',
      first: 'engine/snapshots',
      title: 'the checksum of the pieces is not looked at',
      edits: [
        {
          file: incomingSnapshot,
          find: `    if (running !== checksum) throw new MalformedError('a piece of a snapshot does not\
 belong to it')
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M77c',
      first: 'engine/snapshots',
      title: 'a piece out of order is taken',
      edits: [
        {
          file: incomingSnapshot,
          find: 'if (seq !== this.next || this.isComplete',
          replace: 'if (seq < this.next || this.isComplete',
        },
      ],
    },
    {
      id: 'M77d',
      first: 'engine/snapshots',
      title: 'the offer of a deposed leader ends what another one sends',
      edits: [
        {
          file: snapshotsFile,
          find: `    if (!replica.accepts(from, message) || message.term < Math.max(replica.term,\
 present?.message.term ?? 0))
      return
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M80',
      title: 'a follower in the snapshot state stays there although it acknowledges enough',
      edits: [
        {
          file: replication,
          find: 'if (progress.match + 1 >= raft.log.firstIndex()) {',
          replace: 'if (progress.match < 0) {',
        },
        {
          file: replication,
          find: '} else if (progress.match >= progress.pendingSnapshot) progress.becomeProbe()',
          replace: '}',
        },
      ],
    },
    {
      id: 'M80b',
      first: 'engine/snapshots',
      title: 'nobody tells Raft what became of a snapshot',
      edits: [
        {
          file: snapshotsFile,
          find: `        if (end !== 'over') replica.reportSnapshot(message.to, end === 'delivered')
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M81',
      first: 'engine/taking-snapshots',
      title: 'snapshots are taken, and the log compacted, while one is under way',
      edits: [
        {
          file: snapshotsFile,
          find: `    if (this.outgoing.has(group) && applier.bytesApplied < this.heldLogBytesMax) return
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M81b',
      first: 'engine/compaction',
      title: 'the log is compacted to the snapshot, whoever still needs it',
      edits: [
        {
          file: compaction,
          find: 'if (!isTrailing && !isNeeded) return index',
          replace: 'if (index <= snapshotIndex) return index',
        },
      ],
    },
    {
      id: 'M83',
      first: 'engine/replica',
      title: 'what was queued before a snapshot is applied behind it',
      edits: [
        {
          file: replica,
          find: `    for (const response of this.state.applier.drain()) this.node.step(response)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M84',
      first: 'wire/snapshot',
      title: 'a snapshot shows what is written after it',
      edits: [
        {
          file: keyspace,
          find: `  snapshot(): ReadonlyOrderedMap<string, Item> {
    return this.items.clone()`,
          replace: `  snapshot(): ReadonlyOrderedMap<string, Item> {
    return this.items`,
        },
      ],
    },
    {
      id: 'M84b',
      first: 'wire/snapshot',
      title: 'sessions of a snapshot change with those that live on',
      edits: [
        {
          file: sessions,
          find: '    if (session.epoch === this.epoch) return session',
          replace: '    if (session.epoch >= 0) return session',
        },
      ],
    },
    {
      id: 'M85',
      title: 'a leader that kept nothing of its log sends no snapshot to who needs it',
      edits: [
        {
          file: replication,
          find: `  if (typeof prevTerm !== 'number') return sendSnapshot(raft, progress)
`,
          replace: `  if (typeof prevTerm !== 'number') return log.lastIndex() >= log.firstIndex() &&\
 sendSnapshot(raft, progress)
`,
        },
      ],
    },
    {
      id: 'M151',
      title: 'where entries are compacted an empty message goes out in place of the snapshot',
      edits: [
        {
          file: replication,
          find: `  if (typeof prevTerm !== 'number') return sendSnapshot(raft, progress)

  const entries = entriesFor(raft, progress)
  if (entries === 'compacted') return sendSnapshot(raft, progress)
  if`,
          replace: `  if (typeof prevTerm !== 'number') {
    if (!evenEmpty) return false
    raft.send({ ...blankMessage, type: 'MsgApp', from: raft.id, to: progress.id, term:\
 raft.term, commit: log.committed })
    return true
  }

  const entries = entriesFor(raft, progress)
  if (entries === 'compacted') return sendSnapshot(raft, progress)
  if`,
        },
      ],
    },
    {
      id: 'Q115',
      title: 'a deflated chunk of a snapshot is decoded as it came',
      first: 'engine/snapshots',
      edits: [
        {
          file: chunk,
          find: `  if (chunk[0] !== deflatedMark) return chunk
`,
          replace: `  if (chunk.length > 0) return chunk
`,
        },
      ],
    },
  ],
}

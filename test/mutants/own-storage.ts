import { engineTests, storageTests } from './areas.ts'
import type { Section } from './mutant.ts'

const applier = 'src/engine/replica/applier.ts'
const fileLog = 'src/storage/file-log.ts'
const fileSnapshots = 'src/storage/file-snapshots.ts'
const groupCommit = 'src/storage/group-commit.ts'
const groupWrites = 'src/engine/replica/group-writes.ts'
const lifecycle = 'src/storage/lifecycle.ts'
const leading = 'src/engine/replica/leading.ts'
const frames = 'src/engine/replica/replica-frames.ts'
const orderedMap = 'src/base/ordered-map.ts'
const outbox = 'src/engine/replica/outbox.ts'
const reads = 'src/engine/replica/reads.ts'
const replica = 'src/engine/replica/replica.ts'
const savedSnapshots = 'src/storage/saved-snapshots.ts'
const watchers = 'src/engine/replica/watchers.ts'

/** Mistakes that this code could have: files, watches, applying, reads. */
export const ownStorage: Section = {
  name: 'own-storage',
  tests: [
    ...storageTests('record', 'file-log', 'file-snapshots', 'file', 'model', 'memory'),
    ...engineTests(
      'reads',
      'writer',
      'leading',
      'validate',
      'following',
      'replica',
      'store',
      'snapshots',
      'requests',
      'proposals',
      'committed',
      'overload',
      'client',
    ),
    'test/machine/ordered-map.test.ts',
    'test/crash/file-crash.test.ts',
  ],
  mutants: [
    {
      id: 'Q27',
      first: 'storage/file-log',
      title: 'a file of the log that lacks its end, and is not the last one, is cut',
      edits: [
        {
          file: fileLog,
          find: `    if (end.torn && !isLast) throw corrupt(file, end.offset, 'its end is missing')
`,
          replace: '',
        },
        { file: fileLog, find: ' || segment.sequence !== this.sequence)', replace: ')' },
      ],
    },
    {
      id: 'Q28',
      first: 'storage/file-log',
      title: 'a file of the log that is missing is not noticed',
      edits: [
        {
          file: fileLog,
          find:
            'if (before !== undefined && (number !== before.number + 1 || ' +
            'segment.sequence !== this.sequence)) {',
          replace: 'if (before !== undefined && number <= before.number) {',
        },
      ],
    },
    {
      id: 'Q29',
      first: 'storage/file-log',
      title: 'a torn record is not cut, and what is written next stands behind it',
      edits: [
        {
          file: fileLog,
          find: '    this.offset = end.offset\n',
          replace: '    this.offset = end.torn ? bytes.length : end.offset\n',
        },
      ],
    },
    {
      id: 'Q30',
      first: 'storage/file-log-crash',
      title: 'files of the log are removed before what was carried out of them is durable',
      edits: [
        {
          file: fileLog,
          find: `    await this.removal
    const segment = await this.createSegment()
`,
          replace: `    await this.unlink(dead)
    const segment = await this.createSegment()
`,
        },
        {
          file: fileLog,
          find: `segment.number)
    this.remove(dead)
    return segment`,
          replace: `segment.number)
    this.segments.splice(0, dead.length)
    return segment`,
        },
      ],
    },
    {
      id: 'Q31',
      first: 'storage/file-log-crash',
      title: 'a file of the log has its name before it is complete',
      edits: [
        {
          file: fileLog,
          find: `    const descriptor = await openDurable(\`\${file}\${temporarySuffix}\`, 'create')`,
          replace: "    const descriptor = await openDurable(file, 'create')",
        },
        {
          file: fileLog,
          find: `    await fs.promises.rename(\`\${file}\${temporarySuffix}\`, file)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q32',
      first: 'storage/file-log',
      title: 'entries that were carried along are taken in the order in which they were ' + 'first written',
      edits: [
        {
          file: fileLog,
          find: 'if (entries.get(group)?.has(entry.index)) own.set(entry.index, entry)',
          replace:
            'if (entries.get(group)?.has(entry.index) && !own.has(entry.index)) ' +
            'own.set(entry.index, entry)',
        },
      ],
    },
    {
      id: 'Q33',
      first: 'storage/file-log',
      title: 'the end of the file of a snapshot may be missing',
      edits: [
        {
          file: fileSnapshots,
          find:
            "    if (size === undefined) throw corrupt(file, offset, 'a chunk is damaged " + "or missing')",
          replace: '    if (size === undefined) return',
        },
      ],
    },
    {
      id: 'Q34',
      first: 'storage/group-commit',
      title: 'a write after a failed one is tried all the same',
      edits: [
        {
          file: groupCommit,
          find: `    if (this.failure !== undefined) return Promise.reject(this.failure.error)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q35',
      first: 'storage/file-log',
      title: 'a snapshot that is read is removed although the group stands on it',
      edits: [
        {
          file: savedSnapshots,
          find: 'return obsolete.map(saved => saved.id).filter(other => other !== id)',
          replace: 'return obsolete.map(saved => saved.id)',
        },
      ],
    },
    {
      id: 'Q36',
      first: 'engine/store',
      title: 'a watcher that starts in the past is registered without it',
      edits: [
        {
          file: watchers,
          find: '    if (matching.length > 0) sink.changes(matching, true)\n',
          replace: '',
        },
      ],
    },
    {
      id: 'Q37',
      first: 'engine/replica',
      title: 'a watcher that is behind a snapshot is not told',
      edits: [
        {
          file: watchers,
          find: `      if (watcher.from > floor) continue
`,
          replace: `      if (watcher.from > 0) continue
`,
        },
      ],
    },
    {
      id: 'Q39',
      first: 'engine/loop',
      title: 'a slice of applying that is over forgets the entry it stopped at',
      edits: [
        {
          file: applier,
          find: `        if (!this.applyNext(run, this.position)) return false
        this.position++`,
          replace: `        if (!isOver && !this.applyNext(run, this.position)) return false
        this.position++`,
        },
      ],
    },
    {
      id: 'Q129',
      first: 'engine/applier',
      title: 'what is applied behind a snapshot begins as far in as what waited before it had come',
      edits: [
        {
          file: applier,
          find: `    this.queue = []
    this.runAt = 0
`,
          replace: `    this.queue = []
`,
        },
      ],
    },
    {
      id: 'Q130',
      first: 'engine/applier',
      title: 'an entry that waits for its command is passed over',
      edits: [
        {
          file: applier,
          find: 'if (!this.applyNext(run, this.position)) return false',
          replace: 'if (!this.applyNext(run, this.position) && this.position++ >= 0) return false',
        },
      ],
    },
    {
      id: 'Q40',
      first: 'engine/validate',
      title: 'a leader asks its rules about a retry again, and refuses what was applied',
      edits: [
        {
          file: leading,
          find: `    if (id !== 0 && (session === undefined || seq <= session.floor ||\
 session.results.has(seq))) return true
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q41',
      first: 'engine/handing-on',
      title: 'what a deposed leader had read ahead is taken for the entry of another',
      edits: [
        {
          file: replica,
          find: `    this.leading.clear()
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q42',
      first: 'engine/store',
      title: 'a commit that waits for company is never told',
      edits: [
        {
          file: outbox,
          find: '    if (this.news.size === 0) this.clock.after(newsMs',
          replace: '    if (this.news.size < 0) this.clock.after(newsMs',
        },
      ],
    },
    {
      id: 'Q43',
      first: 'engine/handing-on',
      title: 'the frames of proposals that come twice are taken twice',
      edits: [
        {
          file: frames,
          find: `    if (this.guard.isRepeated(from, asNatural(number))) return
`,
          replace: `    if (asNatural(number) < 0) return
`,
        },
      ],
    },
    {
      id: 'Q44',
      first: 'engine/reads',
      title: 'a read waits for ever when its question is lost',
      edits: [
        {
          file: reads,
          find: `      if (now - round.askedAt < this.retryMs) continue
`,
          replace: `      if (now - round.askedAt < Number.POSITIVE_INFINITY) continue
`,
        },
      ],
    },
    {
      id: 'Q45',
      first: 'engine/replica',
      title: 'a replica that restarted its log in memory appends before its snapshot is ' + 'in place',
      edits: [
        {
          file: replica,
          find: `    if (snapshot !== null && state !== undefined) this.install(snapshot, state)
    this.log.append(entries)
`,
          replace: `    this.log.append(entries)
    if (snapshot !== null && state !== undefined) this.install(snapshot, state)
`,
        },
      ],
    },
    {
      id: 'Q46',
      first: 'engine/replica',
      title: 'a snapshot is named by a term that another leader overwrote',
      edits: [
        {
          file: replica,
          find: 'if (isDue && this.log.term(this.machine.appliedIndex) === this.state.term)',
          replace: 'if (isDue)',
        },
      ],
    },
    {
      id: 'Q47',
      first: 'engine/replica',
      title: 'an own snapshot goes back behind one that was installed',
      edits: [
        {
          file: replica,
          find: 'if (this.isEnded || snapshot.index <= this.snapshotIndex) return',
          replace: 'if (this.isEnded) return',
        },
      ],
    },
    {
      id: 'Q48',
      first: 'engine/group-writes',
      title: 'a commit that was told with a write is not stored with the next one',
      edits: [
        {
          file: groupWrites,
          find: `    if (term > 0) this.unwritten = { term, vote, commit }
`,
          replace: `    if (term > 0) this.unwritten = { term, vote, commit: this.written.commit }
`,
        },
      ],
    },
    {
      id: 'Q141',
      first: 'machine/ordered-map',
      title: 'the copy of a node writes to the keys that it shares',
      edits: [{ file: orderedMap, find: '    node.keys = node.keys.slice()\n', replace: '' }],
    },
    {
      id: 'Q142',
      first: 'storage/file-log',
      title: 'nobody hears of it where an obsolete file cannot be removed',
      edits: [
        {
          file: lifecycle,
          find: 'this.perform(work).catch(() => undefined)',
          replace: 'work().catch(() => undefined)',
        },
      ],
    },
  ],
}

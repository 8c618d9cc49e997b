import { machineTests, raftTests } from './areas.ts'
import type { Section } from './mutant.ts'

const election = 'src/core/raft/election.ts'
const entryList = 'src/core/raft/entry-list.ts'
const follower = 'src/core/raft/follower.ts'
const heartbeat = 'src/core/raft/heartbeat.ts'
const machine = 'src/core/machine/machine.ts'
const members = 'src/core/machine/members.ts'
const membersPlan = 'src/core/machine/members-plan.ts'
const progress = 'src/core/raft/progress.ts'
const proposal = 'src/core/raft/proposal.ts'
const quorum = 'src/core/quorum.ts'
const raft = 'src/core/raft/raft.ts'
const raftLog = 'src/core/raft/raft-log.ts'
const replicationFile = 'src/core/raft/replication.ts'
const step = 'src/core/raft/step.ts'
const unstableLog = 'src/core/raft/unstable-log.ts'

export const replication: Section = {
  name: 'replication',
  tests: [...raftTests('replication'), ...machineTests],
  mutants: [
    {
      id: 'M30',
      title: 'a follower cuts its log behind whatever it is sent',
      edits: [
        {
          file: raftLog,
          find: `    if (from < end) this.append(entries.slice(from, end))
`,
          replace: `    if (from > 0) this.append(entries)
`,
        },
      ],
    },
    {
      id: 'M31',
      title: 'a follower never overwrites: what it has at an index it keeps',
      edits: [
        {
          file: raftLog,
          find: 'this.matchTerm(from, entries.term(from) as Term)',
          replace: 'from <= this.lastIndex()',
        },
      ],
    },
    {
      id: 'M32',
      first: 'raft/snapshot',
      title: 'an empty log takes entries without a look at what is before them',
      edits: [
        {
          file: raftLog,
          find: `    if (!this.matchTerm(prevIndex, prevTerm)) return undefined
`,
          replace: `    const isEmpty = this.lastIndex() < this.firstIndex()
    if (prevIndex > 0 && !isEmpty && !this.matchTerm(prevIndex, prevTerm)) return undefined
`,
        },
      ],
    },
    {
      id: 'M33',
      title: 'the entry before must be there, of whatever term',
      edits: [
        {
          file: raftLog,
          find: 'if (!this.matchTerm(prevIndex, prevTerm)) return undefined',
          replace: "if (prevIndex > this.lastIndex() || typeof prevTerm !== 'number') return " + 'undefined',
        },
      ],
    },
    {
      id: 'M34',
      title: 'a follower commits up to the end of its log, not of what was verified',
      edits: [
        {
          file: follower,
          find: 'log.commitTo(Math.min(message.commit, verified))',
          replace: 'log.commitTo(Math.min(message.commit, log.lastIndex()))',
        },
      ],
    },
    {
      id: 'M36',
      title: 'a commit index goes back',
      edits: [
        {
          file: raftLog,
          find: `    if (index <= this.committed) return
`,
          replace: `    if (index === this.committed) return
`,
        },
      ],
    },
    {
      id: 'M37',
      title: 'a leader commits entries of older terms by counting',
      edits: [
        {
          file: raftLog,
          find: 'if (index <= this.committed || !this.matchTerm(index, term)) return false',
          replace:
            'if (index <= this.committed || term === 0 || index === ' +
            'Number.POSITIVE_INFINITY) return false',
        },
      ],
    },
    {
      id: 'M39',
      title: 'a follower acknowledges its whole log, not what was verified',
      edits: [
        {
          file: follower,
          find: 'acknowledge(raft, message.from, verified)',
          replace: 'acknowledge(raft, message.from, log.lastIndex())',
        },
      ],
    },
    {
      id: 'M41',
      title: 'a late acknowledgement takes back a newer one',
      edits: [
        {
          file: progress,
          find: `    if (index <= this.match) return false
`,
          replace: `    if (index === this.match) return false
`,
        },
      ],
    },
    {
      id: 'M43',
      title: 'entries are acknowledged before they are durable',
      edits: [
        {
          file: follower,
          find: `function acknowledge(raft: Raft, to: ReplicaId, index: Index): void {
  raft.sendAfterAppend({`,
          replace: `function acknowledge(raft: Raft, to: ReplicaId, index: Index): void {
  raft.send({`,
        },
      ],
    },
    {
      id: 'M44',
      title: 'a leader counts its own entries before they are durable',
      edits: [
        {
          file: raft,
          find: '(id: ReplicaId): Index => this.progressOf(id)?.match ?? 0',
          replace: `(id: ReplicaId): Index =>
    id === this.id ? this.log.lastIndex() : (this.progressOf(id)?.match ?? 0)`,
        },
      ],
    },
    {
      id: 'M45',
      title: 'an acknowledged write makes its index durable, whatever stands there now',
      edits: [
        {
          file: step,
          find: 'if (message.index !== 0 && message.term === raft.term) {',
          replace: 'if (message.index !== 0) {',
        },
        {
          file: unstableLog,
          find: 'if (index < this.offset || this.term(index) !== term) return',
          replace: 'if (index < this.offset || this.term(index) === undefined || term === 0) ' + 'return',
        },
      ],
    },
    {
      id: 'M45b',
      title: 'an acknowledged write of an older term counts, where index and term of the ' + 'entry fit',
      edits: [
        {
          file: step,
          find: 'if (message.index !== 0 && message.term === raft.term) {',
          replace: 'if (message.index !== 0) {',
        },
      ],
    },
    {
      id: 'M48',
      title: 'a heartbeat that is answered does not free a paused follower',
      edits: [
        {
          file: replicationFile,
          find: `  progress.recentActive = true
  progress.paused = false
`,
          replace: `  progress.recentActive = true
`,
        },
      ],
    },
    {
      id: 'M48b',
      title: 'a full window sends nothing at all, not even what would notice the loss',
      edits: [
        {
          file: replicationFile,
          find: `  if (progress.isPaused()) return false
`,
          replace: `  if (progress.isPaused()) return false
  if (progress.state === 'replicate' && progress.inflights.isFull()) return false
`,
        },
      ],
    },
    {
      id: 'M48c',
      title: 'acknowledgements free nothing of the window',
      edits: [
        {
          file: replicationFile,
          find: `      progress.inflights.freeTo(index)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M48d',
      first: 'raft/random-network',
      title: 'the window of a follower that rejects stays as full as it was',
      edits: [
        {
          file: progress,
          find: `    this.inflights.clear()
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M49',
      title: 'a limit in bytes admits no entry where the first one is above it',
      edits: [
        {
          file: entryList,
          find: 'Math.max(countWithin(wanted, left), next === from ? 1 : 0)',
          replace: 'countWithin(wanted, left)',
        },
      ],
    },
    {
      id: 'M50',
      title: 'what is not committed is counted with the overhead of empty entries',
      edits: [
        {
          file: proposal,
          find: 'const bytes = payloadsBytes(drafts)',
          replace: 'const bytes = payloadsBytes(drafts) + drafts.length',
        },
      ],
    },
    {
      id: 'M50b',
      title: 'a new leader inherits what it once had uncommitted',
      edits: [
        {
          file: raft,
          find: `    this.uncommittedBytes = 0
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M52',
      first: 'raft/membership',
      title: 'acknowledged indexes are sorted as text',
      edits: [
        {
          file: quorum,
          find: `  let highest = 0
  for (const candidate of voters) {`,
          replace: `  let highest = 0
  const sorted = voters.map(acked).sort()
  if (sorted.length > 0) return sorted[voters.length - needed] ?? 0
  for (const candidate of voters) {`,
        },
      ],
    },
    {
      id: 'M53',
      title: 'half of an even number of acknowledgements commits',
      edits: [
        {
          file: quorum,
          find: `  const needed = majority(voters.length)
  let highest`,
          replace: `  const needed = Math.ceil(voters.length / 2)
  let highest`,
        },
      ],
    },
    {
      id: 'M54',
      first: 'raft/membership',
      title: 'what is known of a replica that was removed and added again is kept',
      edits: [
        {
          file: progress,
          find: 'renewed.includes(id) ? undefined : known.find',
          replace: 'renewed.length < 0 ? undefined : known.find',
        },
      ],
    },
    {
      id: 'M54b',
      first: 'machine/members',
      title: 'the id of a replica that was removed is given to the next one',
      edits: [
        {
          file: membersPlan,
          find: '{ replica: members.nextReplica, host,',
          replace: '{ replica: Math.max(0, ...members.list.map(idOf)) + 1, host,',
        },
        {
          file: members,
          find: 'member.replica !== nextReplica++',
          replace: 'member.replica > nextReplica++',
        },
      ],
    },
    {
      id: 'M56',
      title: 'a new leader appends no entry of its own',
      edits: [
        {
          file: election,
          find: 'appendEntries(raft, packed([draftEntry(emptyBytes)]))',
          replace: 'packed([draftEntry(emptyBytes)]).length === 1',
        },
      ],
    },
    {
      id: 'M58',
      first: 'machine/sessions',
      title: 'a command that is tried again is applied again',
      edits: [
        {
          file: machine,
          find: `    if (first !== undefined) return { result: first, duplicate: true, changes: noChanges }
`,
          replace: `    if (first === undefined && seq < 0) return unapplied({ type: 'stale' })
`,
        },
      ],
    },
    {
      id: 'M59',
      title: 'a follower that is paused keeps the heartbeats from those behind it',
      edits: [
        {
          file: heartbeat,
          find: `    if (progress.id === raft.id) continue
`,
          replace: `    if (progress.id === raft.id) continue
    if (progress.isPaused()) break
`,
        },
      ],
    },
  ],
}

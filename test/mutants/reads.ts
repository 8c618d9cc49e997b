import { engineTests, raftTests } from './areas.ts'
import type { Section } from './mutant.ts'

const confChange = 'src/core/raft/conf-change.ts'
const config = 'src/core/raft/config.ts'
const raft = 'src/core/raft/raft.ts'
const raftNode = 'src/core/raft/raft-node.ts'
const readIndex = 'src/core/raft/read-index.ts'
const readQueue = 'src/core/raft/read-queue.ts'
const readsFile = 'src/engine/replica/reads.ts'

export const reads: Section = {
  name: 'reads',
  tests: [...raftTests('read-index'), ...engineTests('reads', 'pause', 'store')],
  mutants: [
    {
      id: 'M99',
      title: 'a new leader answers reads before it has committed anything',
      edits: [
        {
          file: readIndex,
          find: 'if (raft.hasCommittedInTerm()) serve(raft, request)',
          replace: 'if (raft.earlyReads.length === 0) serve(raft, request)',
        },
      ],
    },
    {
      id: 'M100',
      title: 'a read joins a round of heartbeats that began before it came',
      edits: [{ file: readQueue, find: 'round: this.round + 1 })', replace: 'round: this.round })' }],
    },
    {
      id: 'M100b',
      first: 'engine/reads',
      title: 'reads join a question that is on its way to the leader',
      edits: [
        {
          file: readsFile,
          find: `    const context = this.lastContext + 1
`,
          replace: `    const [open] = this.rounds
    if (open !== undefined) {
      this.rounds.set(open[0], { ...open[1], reads: [...open[1].reads, ...this.waiting] })
      this.waiting = []
      return
    }
    const context = this.lastContext + 1
`,
        },
      ],
    },
    {
      id: 'M101',
      title: 'the answer to any heartbeat counts for every read',
      edits: [
        {
          file: readQueue,
          find: 'this.acks.set(from, Math.min(round, this.round))',
          replace: 'this.acks.set(from, this.round)',
        },
      ],
    },
    {
      id: 'M101b',
      title: 'an answer of an old round counts for the newest one',
      edits: [
        {
          file: readQueue,
          find: `    if (round > this.ackedBy(from)) this.acks.set(from, Math.min(round, this.round))
`,
          replace: `    if (round >= 0) this.acks.set(from, this.round)
`,
        },
      ],
    },
    {
      id: 'M102',
      first: 'engine/store',
      title: 'a read is answered when its index is committed, and not yet applied',
      edits: [
        {
          file: readsFile,
          find: `      if (one.index > applied) later.push(one)
`,
          replace: `      if (one.index > applied + 1) later.push(one)
`,
        },
      ],
    },
    {
      id: 'M102b',
      first: 'engine/store',
      title: 'a read is answered as soon as the leader confirmed itself',
      edits: [
        {
          file: readsFile,
          find: `    this.confirmed.push({ index, reads: round.reads })
    this.advanced()`,
          replace: `    this.confirmed.push({ index: Math.min(index, this.route.applied()), reads: round.reads })
    this.advanced()`,
        },
      ],
    },
    {
      id: 'M104',
      title: 'a lease lasts as long as an election timeout',
      edits: [{ file: readIndex, find: 'electionTicks / 2', replace: 'electionTicks' }],
    },
    {
      id: 'M106',
      title: 'a lease outlasts the order to hand leadership over',
      edits: [
        {
          file: readIndex,
          find: 'raft.isLeaseVoid || ',
          replace: '',
        },
      ],
    },
    {
      id: 'M107',
      title: 'lease reads go without a check of the quorum',
      edits: [
        {
          file: config,
          find: "config.readOnly === 'safe' || config.checkQuorum",
          replace: "config.readOnly === 'safe' || config.id > 0",
        },
      ],
    },
    {
      id: 'M107b',
      title: 'a follower forgets its leader although that one reads by lease',
      edits: [
        {
          file: raftNode,
          find:
            "if (this.raft.role === 'follower' && this.raft.config.readOnly === 'safe') " +
            'this.raft.leader = 0',
          replace: "if (this.raft.role === 'follower') this.raft.leader = 0",
        },
      ],
    },
    {
      id: 'M107c',
      title: 'a replica that restarted has forgotten the lease that it gave',
      edits: [
        {
          file: raft,
          find: `    this.mayOweLease = config.readOnly !== 'safe' && hardState.term > 0
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M107d',
      title: 'the lease outlives a change of the voters',
      edits: [
        {
          file: confChange,
          find: `  raft.reads.voidLease()
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M107e',
      first: 'engine/lease-reads',
      title: 'a leader whose machine slept answers from a lease that has ended',
      edits: [
        {
          file: 'src/engine/replica/running-replicas.ts',
          find: '{ node } of this.byGroup.values()) node.endLease()',
          replace: '{ node } of this.byGroup.values()) node.hasReady()',
        },
      ],
    },
    {
      id: 'M107f',
      title: 'a leader answers from its lease whoever asks',
      edits: [{ file: readIndex, find: " || (readOnly === 'asked' && !force)", replace: '' }],
    },
    {
      id: 'M107g',
      title: 'a follower whose leader cannot be reached breaks the promise that it just gave',
      edits: [
        { file: 'src/core/raft/rest.ts', find: 'silentTicks > electionTicks', replace: 'silentTicks > 0' },
      ],
    },
    {
      id: 'M109',
      first: 'raft/random-network',
      title: 'a follower answers a linearizable read by itself',
      edits: [
        {
          file: raftNode,
          find: '    if (isLeader) handleReadIndex(raft, request)',
          replace: `    if (!isLeader) raft.readStates.push({ index: raft.log.committed, context })
    else if (isLeader) handleReadIndex(raft, request)`,
        },
      ],
    },
    {
      id: 'M110',
      title: 'one answer less than a majority confirms a read',
      edits: [
        {
          file: readQueue,
          find: 'const confirmed = committedIndex(quorum, this.ackedBy)',
          replace: `const counts = quorum.voters.map(this.ackedBy).sort((left, right) => right - left)
    const confirmed = counts[Math.max(0, Math.floor(counts.length / 2) - 1)] ??\
 committedIndex(quorum, this.ackedBy)`,
        },
      ],
    },
    {
      id: 'M110b',
      title: 'learners confirm reads',
      edits: [
        {
          file: readIndex,
          find: 'raft.reads.take(raft.conf)',
          replace:
            'raft.reads.take({ ...raft.conf, voters: [...raft.conf.voters, ' + '...raft.conf.learners] })',
        },
      ],
    },
    {
      id: 'M110c',
      title: 'a leader that was removed, and left one voter, confirms its reads alone',
      edits: [
        {
          file: readIndex,
          find: 'if (decidesAlone(raft.conf, raft.id) ||',
          replace: 'if (raft.conf.voters.length === 1 ||',
        },
      ],
    },
  ],
}

import { engineTests, raftTests } from './areas.ts'
import type { Section } from './mutant.ts'

const gate = 'src/base/gate.ts'
const guard = 'src/engine/peers/replay-guard.ts'
const handover = 'src/engine/membership/hand-over.ts'
const intake = 'src/engine/replica/intake.ts'
const membership = 'src/core/raft/membership.ts'
const outbox = 'src/engine/replica/outbox.ts'
const outgoing = 'src/engine/snapshots/outgoing-snapshot.ts'
const preference = 'src/engine/membership/preference.ts'
const progress = 'src/core/raft/progress.ts'
const proposals = 'src/engine/replica/proposals.ts'
const quiescence = 'src/engine/replica/quiescence.ts'
const quorum = 'src/core/quorum.ts'
const replica = 'src/engine/replica/replica.ts'
const replication = 'src/core/raft/replication.ts'
const requests = 'src/engine/peers/requests.ts'
const succession = 'src/core/raft/succession.ts'
const rest = 'src/core/raft/rest.ts'
const snapshots = 'src/engine/snapshots/snapshots.ts'

/** Mistakes that this code could have: sleep, witnesses, rules, queues, and how leadership is given away. */
export const ownGroups: Section = {
  name: 'own-groups',
  tests: [
    ...raftTests('rest', 'witness', 'quorum'),
    ...engineTests(
      'quiescence',
      'preference',
      'members',
      'groups',
      'overload',
      'snapshots',
      'requests',
      'store',
    ),
  ],
  mutants: [
    {
      id: 'Q70',
      title: 'the consent to an earlier question lets a group fall asleep',
      first: 'engine/sleep-question',
      edits: [
        {
          file: quiescence,
          find: ' || context < this.askedRound) return',
          replace: ' || context < 0) return',
        },
      ],
    },
    {
      id: 'Q71',
      title: 'a leader asks for sleep while calls wait for it',
      first: 'engine/sleep-question',
      edits: [
        {
          file: quiescence,
          find: 'if (this.idleTicks < quiesceTicks || hasCalls()) return false',
          replace: 'if (this.idleTicks < quiesceTicks || hasCalls.length > 0) return false',
        },
      ],
    },
    {
      id: 'Q72',
      title: 'a leader rests although a replica that is there lacks entries',
      first: 'raft/rest',
      edits: [
        {
          file: rest,
          find: `progress.state === 'replicate' && progress.match === last`,
          replace: `progress.state === 'replicate'`,
        },
      ],
    },
    {
      id: 'Q73',
      title: 'a leader rests without a quorum',
      first: 'raft/rest',
      edits: [
        {
          file: rest,
          find: `  if (voteResult(conf, counts) !== 'won') return false
`,
          replace: `  if (voteResult(conf, counts) === undefined) return false
`,
        },
      ],
    },
    {
      id: 'Q74',
      title: 'a replica agrees to sleep before it has applied what it has',
      first: 'raft/rest',
      edits: [
        {
          file: rest,
          find: 'return log.applied === leader.commit && log.lastIndex() === leader.commit',
          replace: 'return log.lastIndex() === leader.commit',
        },
      ],
    },
    {
      id: 'Q75',
      title: 'who has no leader calls the others once, and never again',
      first: 'engine/sleep-question',
      edits: [
        {
          file: quiescence,
          find: 'if (isAlone && (this.silentTicks - 1) % heartbeatTicks === 0) this.callOthers()',
          replace: 'if (isAlone && this.silentTicks === heartbeatTicks) this.callOthers()',
        },
      ],
    },
    {
      id: 'Q76',
      title: 'what agreed to sleep before something happened counts behind it',
      first: 'engine/sleep-question',
      edits: [
        {
          file: quiescence,
          find: `    this.askedRound = undefined
    if (this.consents.size > 0) this.consents.clear()
`,
          replace: `    this.askedRound ??= undefined
`,
        },
      ],
    },
    {
      id: 'Q77',
      title: 'of the beats of many groups one host is told the last',
      first: 'engine/groups',
      edits: [
        {
          file: outbox,
          find: `beats.set(\`\${beat.type} \${beat.group}\`, beat)`,
          replace: 'beats.set(beat.type, beat)',
        },
      ],
    },
    {
      id: 'Q78',
      title: 'the answer to a heartbeat takes the place of the heartbeat in one frame',
      first: 'engine/loop',
      edits: [
        {
          file: outbox,
          find: `beats.set(\`\${beat.type} \${beat.group}\`, beat)`,
          replace: 'beats.set(beat.group, beat)',
        },
      ],
    },
    {
      id: 'Q80',
      title: 'a witness gets what the leader has not stored',
      first: 'raft/witness',
      edits: [
        {
          file: replication,
          find: '(id === raft.id ? raft.log.unstable.offset - 1 : raft.matches(id))',
          replace: '(id === raft.id ? raft.log.lastIndex() : raft.matches(id))',
        },
      ],
    },
    {
      id: 'Q81',
      title: 'a witness may lead',
      first: 'raft/witness',
      edits: [
        {
          file: progress,
          find: 'return !this.isLearner && !this.isWitness',
          replace: 'return !this.isLearner',
        },
      ],
    },
    {
      id: 'Q82',
      title: 'a witness is sent values',
      first: 'raft/witness',
      edits: [
        {
          file: replication,
          find: `return entries === 'compacted' ? entries : packed([...entries].map(stripped))`,
          replace: 'return entries',
        },
      ],
    },
    {
      id: 'Q83',
      title: 'a witness is told of no change of members',
      first: 'raft/witness',
      edits: [
        {
          file: replication,
          find: `return entry.type !== 'normal' || entry.data.length === 0`,
          replace: 'return entry.data.length === 0 && entry.change === null',
        },
      ],
    },
    {
      id: 'Q84',
      title: 'one voter of a set commits for the whole set',
      first: 'raft/quorum',
      edits: [
        {
          file: quorum,
          find: 'Math.max(...quorums.map(set => Math.min(...set.map(acked))))',
          replace: 'Math.max(...quorums.map(set => Math.max(...set.map(acked))))',
        },
      ],
    },
    {
      id: 'Q85',
      title: 'one voter of a set elects for the whole set',
      first: 'raft/quorum',
      edits: [
        {
          file: quorum,
          find: `if (quorums.some(set => set.every(voter => vote(voter) === true))) return 'won'`,
          replace: `if (quorums.some(set => set.some(voter => vote(voter) === true))) return 'won'`,
        },
      ],
    },
    {
      id: 'Q86',
      title: 'a rule outlives the voters for which it was made',
      first: 'raft/quorum',
      edits: [
        {
          file: membership,
          find: 'if (quorums !== undefined || differences(conf.voters, draft.voters) > 0) draft.quorums = quorums',
          replace: 'if (quorums !== undefined) draft.quorums = quorums',
        },
      ],
    },
    {
      id: 'Q87',
      title: 'the voters that leave decide by majority, whatever rule they had',
      first: 'raft/quorum',
      edits: [
        {
          file: membership,
          find: `  draft.quorumsOutgoing = conf.quorums
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q88',
      title: 'entries are refused for want of room although nothing can be applied without them',
      first: 'engine/intake',
      edits: [
        {
          file: intake,
          find: 'applier.bytesWaiting > unappliedBytesMax && commit > applier.machine.appliedIndex',
          replace: 'applier.bytesWaiting > unappliedBytesMax && commit >= 0',
        },
      ],
    },
    {
      id: 'Q89',
      title: 'a queue that was full takes more as soon as it is below its bound',
      first: 'base/gate',
      edits: [{ file: gate, find: 'const releaseShare = 0.7', replace: 'const releaseShare = 1' }],
    },
    {
      id: 'Q90',
      title: 'what is larger than a whole queue is never let in',
      first: 'base/gate',
      edits: [
        {
          file: gate,
          find: 'this.isShut = waiting > 0 && waiting + amount > this.max',
          replace: 'this.isShut = waiting + amount > this.max',
        },
      ],
    },
    {
      id: 'Q91',
      title: 'a transfer that was cut off begins anew',
      first: 'engine/outgoing-snapshot',
      edits: [
        {
          file: outgoing,
          find: `if (await this.stream(next)) return 'delivered'`,
          replace: `if (await this.stream(next * 0)) return 'delivered'`,
        },
      ],
    },
    {
      id: 'Q92',
      title: 'a late answer takes back how much of a snapshot is stored',
      first: 'engine/outgoing-snapshot',
      edits: [
        {
          file: outgoing,
          find: 'Math.max(this.stored, stored)',
          replace: 'stored',
        },
      ],
    },
    {
      id: 'Q94',
      title: 'a host that ends hands over to the voter that knows least',
      first: 'engine/resignation',
      edits: [{ file: succession, find: 'right.match - left.match', replace: 'left.match - right.match' }],
    },
    {
      id: 'Q95',
      title: 'a host that ends does not wait for its successor',
      first: 'engine/groups',
      edits: [
        {
          file: handover,
          find: 'while (replica.leads && clock.now() < end) {',
          replace: 'while (replica.leads && clock.now() > end) {',
        },
      ],
    },
    {
      id: 'Q96',
      title: 'frames are known by their number, whoever sent them',
      first: 'engine/replay-guard',
      edits: [
        {
          file: guard,
          find: `const recent = this.peers.get(from) ?? new Set()
    this.peers.set(from, recent)`,
          replace: `const recent = this.peers.get('') ?? new Set()
    this.peers.set('', recent)`,
        },
      ],
    },
    {
      id: 'Q97',
      title: 'where the window of known frames is full, all are forgotten',
      first: 'engine/replay-guard',
      edits: [
        {
          file: guard,
          find: 'for (const oldest of recent) return !recent.delete(oldest)',
          replace: 'recent.clear()',
        },
      ],
    },
    {
      id: 'Q98',
      title: 'a leader hands over to a host that is preferred as much as itself',
      first: 'engine/preference',
      edits: [
        { file: preference, find: 'priority > this.priority ?', replace: 'priority >= this.priority ?' },
      ],
    },
    {
      id: 'Q99',
      title: 'a leader hands over to a preferred host whatever it lacks',
      first: 'engine/preference',
      edits: [
        {
          file: preference,
          find: `if (id === replica.id || !mayLead || state !== 'replicate' || !recentActive) return []`,
          replace: `if (id === replica.id || !mayLead || (state === 'probe' && !recentActive && match < 0)) return []`,
        },
      ],
    },
    {
      id: 'Q100',
      title: 'a write that is asked for again has never been handed on',
      first: 'engine/proposals',
      edits: [
        {
          file: proposals,
          find: `      waiter.attempts = earlier.attempts
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q101',
      title: 'anybody may answer what another host was asked',
      first: 'engine/requests',
      edits: [
        {
          file: requests,
          find: 'if (asked === undefined || asked.to !== from) return',
          replace: 'if (asked === undefined) return',
        },
      ],
    },
    {
      id: 'Q102',
      title: 'a follower of a leader that reads by lease believes that its host is lost',
      first: 'raft/rest',
      edits: [
        {
          file: rest,
          find: "(readOnly === 'safe' || silentTicks > electionTicks)",
          replace: "(readOnly !== 'lease' || silentTicks > electionTicks)",
        },
      ],
    },
    {
      id: 'Q103',
      title: 'time that nobody lived through makes a follower campaign',
      first: 'raft/rest',
      edits: [
        {
          file: rest,
          find: `  if (ticks >= raft.config.electionTicks) raft.electionElapsed = 0
`,
          replace: `  raft.electionElapsed += ticks
`,
        },
      ],
    },
    {
      id: 'Q104',
      title: 'a lease does not age while nobody ticks',
      first: 'raft/rest',
      edits: [
        {
          file: rest,
          find: `  raft.leaderTicks += ticks
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q105',
      title: 'the answer to an offer of a snapshot does not say how much of it is stored',
      first: 'engine/snapshots',
      edits: [
        {
          file: snapshots,
          find: `'snapshot-ack', [group, message.term, index, stored, next, isGap, isPlain])`,
          replace: `'snapshot-ack', [group, message.term, index, next === null ? stored : 0, next, isGap, isPlain])`,
        },
      ],
    },
    {
      id: 'Q106',
      title: 'a leader whose store was closed waits on for a snapshot that nobody sends any more',
      first: 'engine/snapshots',
      edits: [
        {
          file: replica,
          find: `    this.node.snapshotsEnded()
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q112',
      title: 'a host that is preferred takes back what it was asked to give away',
      first: 'engine/preference',
      edits: [
        {
          file: preference,
          find: `if (!replica.leads || this.isKept(replica)) continue`,
          replace: `if (!replica.leads) continue`,
        },
      ],
    },
    {
      id: 'Q113',
      title: 'a hidden page keeps what it was given by a host that is preferred',
      first: 'engine/preference',
      edits: [
        {
          file: preference,
          find: `    this.gifts.clear()
`,
          replace: ``,
        },
      ],
    },
    {
      id: 'Q114',
      title: 'a gift outlives the connection to the host that gave it',
      first: 'engine/preference',
      edits: [
        {
          file: preference,
          find: `    if (!isKept) this.gifts.delete(group)
`,
          replace: ``,
        },
      ],
    },
  ],
}

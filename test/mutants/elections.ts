import { raftTests } from './areas.ts'
import type { Section } from './mutant.ts'

const election = 'src/core/raft/election.ts'
const follower = 'src/core/raft/follower.ts'
const leader = 'src/core/raft/leader.ts'
const log = 'src/core/raft/raft-log.ts'
const quorum = 'src/core/quorum.ts'
const raft = 'src/core/raft/raft.ts'
const step = 'src/core/raft/step.ts'

export const elections: Section = {
  name: 'elections',
  tests: raftTests('election'),
  mutants: [
    {
      id: 'M01',
      title: 'a vote is sent before it is durable',
      edits: [
        {
          file: election,
          find: '  raft.sendAfterAppend({ ...blankMessage, from: raft.id, ...vote })',
          replace: `  const message = { ...blankMessage, from: raft.id, ...vote }
  if (vote.to === raft.id) raft.sendAfterAppend(message)
  else raft.send(message)`,
        },
      ],
    },
    {
      id: 'Q61',
      title: 'votes are asked for before the own term and vote are durable',
      edits: [
        {
          file: election,
          find: 'if (isPreVote || raft.config.earlyVoteRequests === true) raft.send(request)',
          replace: 'if (isPreVote || raft.config.earlyVoteRequests !== true) raft.send(request)',
        },
      ],
    },
    {
      id: 'M03',
      title: 'stepping down within a term clears the vote',
      edits: [
        {
          file: raft,
          find: "    this.reset(term)\n    this.role = 'follower'",
          replace:
            "    this.reset(term)\n    if (this.role !== 'follower') this.vote = 0\n    this.role = 'follower'",
        },
      ],
    },
    {
      id: 'M04',
      title: 'votes are counted by messages, not by voters',
      edits: [
        {
          file: election,
          find: `  if (!raft.votes.has(from)) raft.votes.set(from, granted)
  return voteResult(raft.conf, id => raft.votes.get(id))`,
          replace: `  raft.votes.set(granted ? raft.votes.size + 1000 : from, granted)
  let count = 0
  for (const vote of raft.votes.values()) if (vote) count++
  if (count * 2 > raft.conf.voters.length) return 'won'
  return (raft.votes.size - count) * 2 > raft.conf.voters.length ? 'lost' : 'pending'`,
        },
      ],
    },
    {
      id: 'M05',
      title: 'a vote of an earlier campaign counts',
      edits: [
        {
          file: step,
          find: '  if (message.term !== 0 && message.term < raft.term) {',
          replace:
            "  if (message.term !== 0 && message.term < raft.term && message.type !== 'MsgVoteResp') {",
        },
      ],
    },
    {
      id: 'M07',
      title: 'a vote is granted whatever the log of the candidate',
      edits: [
        {
          file: election,
          find: 'const isGranted = isFree && raft.log.isUpToDate(message.index, message.logTerm)',
          replace: 'const isGranted = isFree',
        },
      ],
    },
    {
      id: 'M08',
      title: 'a log is refused only where both its term and its length are less',
      edits: [
        {
          file: log,
          find: 'return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex())',
          replace: 'return lastTerm >= ours || lastIndex >= this.lastIndex()',
        },
      ],
    },
    {
      id: 'M08b',
      title: 'the length of the log decides before its last term',
      edits: [
        {
          file: log,
          find: 'return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex())',
          replace:
            'return lastIndex > this.lastIndex() || (lastIndex === this.lastIndex() && lastTerm >= ours)',
        },
      ],
    },
    {
      id: 'M10',
      title: "a candidate's log is compared with what is committed, not with the whole log",
      edits: [
        {
          file: log,
          find: `    const ours = this.lastTerm()
    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex())`,
          replace: `    const ours = Number(this.term(this.committed))
    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.committed)`,
        },
      ],
    },
    {
      id: 'M11',
      title: 'half of the voters, rounded down, are a majority',
      edits: [
        { file: quorum, find: 'return Math.floor(voters / 2) + 1', replace: 'return Math.floor(voters / 2)' },
      ],
    },
    {
      id: 'M11b',
      title: 'half of an even number of voters is a majority',
      edits: [
        { file: quorum, find: 'return Math.floor(voters / 2) + 1', replace: 'return Math.ceil(voters / 2)' },
      ],
    },
    {
      id: 'M12',
      first: 'raft/membership',
      title: 'learners are asked for votes, and theirs count',
      edits: [
        { file: election, find: '    if (isLearner) continue\n', replace: '' },
        { file: election, find: '{ id, isLearner } of', replace: '{ id } of' },
        {
          file: election,
          find: 'return voteResult(raft.conf, id => raft.votes.get(id))',
          replace: `const voters = [...raft.conf.voters, ...raft.conf.learners]
  return voteResult({ ...raft.conf, voters }, id => raft.votes.get(id))`,
        },
      ],
    },
    {
      id: 'M12b',
      first: 'raft/membership',
      title: 'the acknowledgements of learners count for a commit',
      edits: [
        {
          file: 'src/core/raft/replication.ts',
          find: 'committedIndex(raft.conf, raft.matches)',
          replace: `committedIndex(
    { ...raft.conf, voters: [...raft.conf.voters, ...raft.conf.learners] },
    raft.matches,
  )`,
        },
      ],
    },
    {
      id: 'M14',
      title: 'a pre-vote raises the term of who is asked',
      edits: [
        {
          file: step,
          find: "if (message.type === 'MsgVote') raft.becomeFollower(message.term, 0)",
          replace: 'raft.becomeFollower(message.term, 0)',
        },
      ],
    },
    {
      id: 'M14b',
      title: 'a pre-vote is recorded as the vote',
      edits: [{ file: election, find: '  if (isPreVote) return\n', replace: '' }],
    },
    {
      id: 'M14c',
      title: 'a pre-vote starts the election timeout of who is asked anew',
      edits: [
        {
          file: election,
          find: '  if (isPreVote) return\n  raft.electionElapsed = 0',
          replace: '  raft.electionElapsed = 0\n  if (isPreVote) return',
        },
      ],
    },
    {
      id: 'M15',
      title: 'the higher term of a refused pre-vote is ignored',
      edits: [
        {
          file: step,
          find: '      if (message.reject) raft.becomeFollower(message.term, 0)\n      return true',
          replace: '      return !message.reject',
        },
      ],
    },
    {
      id: 'M17',
      title: 'a leader of an older term gets no answer',
      edits: [
        { file: step, find: '      if (!checkQuorum && !preVote) return\n', replace: '      return\n' },
      ],
    },
    {
      id: 'M18',
      title: 'a lease stands against a transfer, too',
      edits: [
        {
          file: step,
          find: 'if (!message.force && raft.isInLease()) return false',
          replace: 'if (raft.isInLease()) return false',
        },
      ],
    },
    {
      id: 'M19',
      title: 'followers of a leader that is well vote for another one',
      edits: [
        {
          file: step,
          find: '      if (!message.force && raft.isInLease()) return false\n',
          replace: '',
        },
      ],
    },
    {
      id: 'M21',
      title: 'a learner refuses to vote',
      edits: [
        {
          file: election,
          find: 'const isGranted = isFree && ',
          replace: 'const isGranted = raft.progressOf(raft.id)?.isLearner !== true && isFree && ',
        },
      ],
    },
    {
      id: 'M22',
      first: 'raft/membership',
      title: 'a replica campaigns with a committed change of members that it has not applied',
      edits: [{ file: election, find: '  if (hasUnappliedConfChange(raft)) return false\n', replace: '' }],
    },
    {
      id: 'M24',
      title: 'entries are stamped with a term that was read before the election',
      edits: [
        {
          file: 'src/core/raft/proposal.ts',
          find: '  const { term } = raft\n  const placed',
          replace: '  const term = raft.log.lastTerm() || raft.term\n  const placed',
        },
      ],
    },
    {
      id: 'M25',
      title: 'election timeouts are the same for all',
      edits: [
        {
          file: raft,
          find: 'this.electionTimeout = electionTicks + Math.floor(random() * electionTicks)',
          replace: 'this.electionTimeout = electionTicks + Math.floor(random() * 0)',
        },
      ],
    },
    {
      id: 'M25b',
      title: 'the election timeout is drawn once for a lifetime',
      edits: [
        {
          file: raft,
          find: '    this.electionTimeout = electionTicks',
          replace: '    if (this.electionTimeout === 0) this.electionTimeout = electionTicks',
        },
      ],
    },
    {
      id: 'M27',
      title: 'word of the leader that has to be rejected does not count as a sign of its life',
      edits: [
        {
          file: follower,
          find: '      raft.electionElapsed = 0\n      raft.leader = message.from',
          replace: `      if (message.type !== 'MsgApp' || raft.log.matchTerm(message.index, message.logTerm)) {
        raft.electionElapsed = 0
      }
      raft.leader = message.from`,
        },
      ],
    },
    {
      id: 'M28',
      title: 'who was heard once counts as active for ever',
      edits: [
        {
          file: leader,
          find: '  for (const progress of raft.progress) if (progress.id !== raft.id) progress.recentActive = false\n',
          replace: '',
        },
      ],
    },
    {
      id: 'M28b',
      title: 'the quorum check counts learners',
      edits: [
        {
          file: leader,
          find: "if (voteResult(raft.conf, isActive) !== 'won')",
          replace: `const active = raft.progress.filter(({ id }) => isActive(id)).length
  if (voteResult(raft.conf, isActive) !== 'won' && active * 2 <= raft.conf.voters.length)`,
        },
      ],
    },
  ],
}

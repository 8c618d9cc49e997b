import { engineTests, machineTests, raftTests } from './areas.ts'
import type { Section } from './mutant.ts'

const asking = 'src/engine/membership/membership.ts'
const changes = 'src/engine/membership/member-changes.ts'
const confChange = 'src/core/raft/conf-change.ts'
const election = 'src/core/raft/election.ts'
const follower = 'src/core/raft/follower.ts'
const leader = 'src/core/raft/leader.ts'
const membershipFile = 'src/core/raft/membership.ts'
const proposal = 'src/core/raft/proposal.ts'
const quorum = 'src/core/quorum.ts'
const raftNode = 'src/core/raft/raft-node.ts'

export const membership: Section = {
  name: 'membership',
  tests: [...raftTests('membership', 'quorum'), ...machineTests, ...engineTests('members', 'witness')],
  mutants: [
    {
      id: 'M87',
      title: 'a second change is taken while one is not applied',
      edits: [
        {
          file: confChange,
          find: `  if (pendingIndex > raft.log.applied) return 'pending'
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M87b',
      first: 'raft/random-network',
      title: 'a change counts as done when it is committed, not when it is applied',
      edits: [
        {
          file: confChange,
          find: "if (pendingIndex > raft.log.applied) return 'pending'",
          replace: "if (pendingIndex > raft.log.committed) return 'pending'",
        },
      ],
    },
    {
      id: 'M87c',
      title: 'a new leader does not wait for changes of its predecessor',
      edits: [
        {
          file: election,
          find: `  raft.pendingConfIndex = raft.log.lastIndex()
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M88',
      title: 'a leader changes members before it has committed anything',
      edits: [
        {
          file: raftNode,
          find: 'const reason = raft.hasCommittedInTerm()',
          replace: 'const reason = raft.firstIndexOfTerm >= 0',
        },
      ],
    },
    {
      id: 'M90',
      title: 'a joint configuration decides by a majority of all',
      edits: [
        {
          file: quorum,
          find:
            'return Math.min(indexOf(voters, quorums, acked), indexOf(votersOutgoing, ' +
            'quorumsOutgoing, acked))',
          replace:
            'return indexOf([...new Set([...voters, ...votersOutgoing])], quorums ?? ' +
            'quorumsOutgoing, acked)',
        },
      ],
    },
    {
      id: 'M90b',
      title: 'a joint configuration elects by a majority of all',
      edits: [
        {
          file: quorum,
          find: `  const incoming = resultOf(quorum.voters, quorum.quorums, vote)
  const outgoing = resultOf(quorum.votersOutgoing, quorum.quorumsOutgoing, vote)
`,
          replace: `  const all = [...new Set([...quorum.voters, ...quorum.votersOutgoing])]
  const incoming = resultOf(all, quorum.quorums ?? quorum.quorumsOutgoing, vote)
  const outgoing = incoming
`,
        },
      ],
    },
    {
      id: 'M92',
      title:
        'a leader acts by a change of members when it is appended, and goes on so where it is overwritten',
      edits: [
        {
          file: proposal,
          find: `import { payloadsBytes } from './entry-size.ts'
`,
          replace: `import { payloadsBytes } from './entry-size.ts'
import { changeMembership } from './membership.ts'
`,
        },
        {
          file: proposal,
          find: `    index: raft.log.lastIndex(),
  })
  return true`,
          replace: `    index: raft.log.lastIndex(),
  })
  for (const { change } of drafts) {
    const result = change === null ? undefined : changeMembership(raft.conf, change)
    if (result?.type === 'changed') raft.setConfiguration(result.change)
  }
  return true`,
        },
      ],
    },
    {
      id: 'M93',
      title: 'a leader that was removed counts itself',
      edits: [
        {
          file: confChange,
          find: `  raft.setConfiguration(change)
`,
          replace: `  const keeps = raft.role === 'leader' && !change.conf.voters.includes(raft.id)
  const voters = keeps ? [...change.conf.voters, raft.id] : change.conf.voters
  raft.setConfiguration({ ...change, conf: { ...change.conf, voters } })
`,
        },
      ],
    },
    {
      id: 'M94',
      title: 'a new leader does not leave the joint configuration that it finds',
      edits: [
        {
          file: leader,
          find: `  leaveJointWhenDue(raft)
  if (raft.role`,
          replace: '  if (raft.role',
        },
        {
          file: proposal,
          find: "if (raft.role !== 'leader' || !raft.conf.autoLeave || raft.log.applied",
          replace:
            "if (raft.role !== 'leader' || raft.firstIndexOfTerm > raft.pendingConfIndex " +
            '|| !raft.conf.autoLeave || raft.log.applied',
        },
      ],
    },
    {
      id: 'M96',
      title: 'a leader that removes itself stops when that is appended, not when it is committed',
      edits: [
        {
          file: proposal,
          find: `    index: raft.log.lastIndex(),
  })
  return true`,
          replace: `    index: raft.log.lastIndex(),
  })
  const isGone = drafts.some(({ change }) => change?.steps.some(
    ({ type, replica }) => type === 'remove' && replica === raft.id,
  ))
  if (isGone) raft.becomeFollower(raft.term, 0)
  return true`,
        },
      ],
    },
    {
      id: 'M97',
      title: 'a learner counts as a voter as soon as it is added',
      edits: [
        {
          file: membershipFile,
          find: `        case 'add-learner':
          this.addLearner(replica, witness)`,
          replace: `        case 'add-learner':
          this.addVoter(replica, witness)`,
        },
      ],
    },
    {
      id: 'M97b',
      title: 'outgoing voters that are demoted are learners at once',
      edits: [
        {
          file: membershipFile,
          find: `if (this.votersOutgoing.has(replica)) this.learnersNext.add(replica)
    else this.learners.add(replica)`,
          replace: 'this.learners.add(replica)',
        },
      ],
    },
    {
      id: 'M98',
      title: 'changes of two voters go without joint consensus',
      edits: [
        {
          file: membershipFile,
          find: 'conf.witnesses === undefined ? 1 : 0',
          replace: 'conf.witnesses === undefined ? 2 : 0',
        },
      ],
    },
    {
      id: 'M98b',
      title: 'quorums that share no voter come into force',
      edits: [{ file: membershipFile, find: ' && doMeet(quorums)', replace: '' }],
    },
    {
      id: 'Q110',
      title: 'a change of members is said to be made before those who vote now know of it',
      first: 'engine/members',
      edits: [
        {
          file: changes,
          find: `  await changes.settle()
`,
          replace: ``,
        },
      ],
    },
    {
      id: 'Q111',
      title: 'the host that asked for a change of members does not wait to know of it',
      first: 'engine/members',
      edits: [
        {
          file: asking,
          find: `      await known
`,
          replace: `      known?.catch(() => undefined)
`,
        },
      ],
    },
    {
      id: 'Q150',
      title: 'a leader that steps down leaves it to an election timeout who comes next',
      first: 'raft/membership',
      edits: [
        {
          file: confChange,
          find: `    callSuccessor(raft)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q151',
      title: 'a leader that steps down calls a replica that lacks what is committed',
      first: 'raft/membership',
      edits: [
        {
          file: confChange,
          find: 'mayLead && match >= raft.log.committed',
          replace: 'mayLead && match >= 0',
        },
      ],
    },
    {
      id: 'Q152',
      title: 'a leader that steps down calls a witness',
      first: 'raft/membership',
      edits: [
        {
          file: confChange,
          find: '({ mayLead, match }) => mayLead && ',
          replace: '({ isLearner, match }) => !isLearner && ',
        },
      ],
    },
    {
      id: 'Q153',
      title: 'a call to campaign is forgotten where changes are to be applied first',
      first: 'raft/membership',
      edits: [
        {
          file: follower,
          find: "raft.isCalled = !startElection(raft, 'transfer')",
          replace: "startElection(raft, 'transfer')",
        },
      ],
    },
    {
      id: 'Q154',
      title: 'a call to campaign stands though the leader leads on',
      first: 'raft/membership',
      edits: [
        {
          file: follower,
          find: `      raft.isCalled = false
`,
          replace: '',
        },
      ],
    },
  ],
}

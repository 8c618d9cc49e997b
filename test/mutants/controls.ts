import { raftTests } from './areas.ts'
import type { Section } from './mutant.ts'

const election = 'src/core/raft/election.ts'
const step = 'src/core/raft/step.ts'

/** What must not be flagged. */
export const controls: Section = {
  name: 'controls',
  tests: raftTests(),
  areSafe: true,
  mutants: [
    {
      id: 'N1',
      title: 'a learner votes, and a vote is granted again to the same candidate: the sources as they are',
      edits: [],
    },
    {
      id: 'N3',
      title: 'a vote that is asked for in an older term is refused instead of ignored',
      edits: [
        {
          file: step,
          find: "    case 'MsgPreVote':\n      // Tells the asker",
          replace: `    case 'MsgVote':
      sendVote(raft, { type: 'MsgVoteResp', to: message.from, term: raft.term, reject: true })
      return
    case 'MsgPreVote':
      // Tells the asker`,
        },
      ],
    },
    {
      id: 'N4',
      title: 'a granted vote does not start the election timeout anew',
      edits: [{ file: election, find: '  raft.electionElapsed = 0\n  raft.vote', replace: '  raft.vote' }],
    },
    {
      id: 'N6',
      title: 'a vote is refused instead of ignored while there is a leader',
      edits: [
        {
          file: step,
          find: 'if (!message.force && raft.isInLease()) return false',
          replace: `if (!message.force && raft.isInLease()) {
        const type = message.type === 'MsgVote' ? 'MsgVoteResp' : 'MsgPreVoteResp'
        sendVote(raft, { type, to: message.from, term: raft.term, reject: true })
        return false
      }`,
        },
      ],
    },
    {
      id: 'N7',
      title: 'a message in fifty is dropped',
      judgedBySimulatorAlone: true,
      edits: [
        {
          file: step,
          find: '  if (isLocalMessage(message.type)) return',
          replace: `  const count = (received.get(raft) ?? 0) + 1
  received.set(raft, count)
  if (count % 50 === 0 && message.from !== raft.id && message.to === raft.id) return 'ok'
  if (isLocalMessage(message.type)) return`,
        },
        {
          file: step,
          find: '/** One tick of the logical clock. */',
          replace: 'const received = new WeakMap<Raft, number>()\n\n/** One tick of the logical clock. */',
        },
      ],
    },
  ],
}

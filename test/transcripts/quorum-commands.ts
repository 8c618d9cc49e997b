import { committedIndex, majority, type Quorum, type VoteResult, voteResult } from '../../src/core/quorum.ts'
import { parseNumber, type Step } from './datadriven.ts'

const results: Record<VoteResult, string> = { pending: 'VotePending', won: 'VoteWon', lost: 'VoteLost' }

/** Runs the commands of quorum/*.txt. They keep no state. */
export function runQuorumCommand(step: Step): string {
  const values = (key: string) => step.arguments.find(argument => argument.key === key)?.values
  const ids = (key: string) => (values(key) ?? []).filter(value => value !== 'zero').map(parseNumber)
  const quorum: Quorum = { voters: ids('cfg'), votersOutgoing: ids('cfgj') }
  const isJoint = values('cfgj') !== undefined
  const voters = [...new Set([...quorum.voters, ...quorum.votersOutgoing])]
  const given = values(step.command === 'vote' ? 'votes' : 'idx') ?? []
  if (given.length !== voters.length) {
    return `error: mismatched input (explicit or _) for voters [${voters}]: [${given}]`
  }
  const known = new Map<number, string>()
  for (const [i, value] of given.entries()) if (value !== '_') known.set(voters[i] as number, value)

  switch (step.command) {
    case 'committed': {
      const acked = new Map([...known].map(([id, value]) => [id, parseNumber(value)]))
      return runCommitted(quorum, acked, isJoint)
    }
    case 'vote':
      return runVote(quorum, new Map([...known].map(([id, value]) => [id, value === 'y'])))
    default:
      return 'unknown command'
  }
}

function runVote(quorum: Quorum, votes: ReadonlyMap<number, boolean>): string {
  const result = voteResult(quorum, id => votes.get(id))
  const mirrored = voteResult(mirror(quorum), id => votes.get(id))
  const doubt = mirrored === result ? '' : `${results[mirrored]} <-- via symmetry\n`
  return `${doubt}${results[result]}\n`
}

function runCommitted(quorum: Quorum, acked: ReadonlyMap<number, number>, isJoint: boolean): string {
  const commit = (each: Quorum, acks = acked) => committedIndex(each, id => acks.get(id) ?? 0)
  const index = commit(quorum)
  let text = describeAcks(quorum, acked)
  const check = (other: number, how: string) => {
    if (other !== index) text += `${describeIndex(other)} <-- ${how}\n`
  }
  if (isJoint) {
    check(commit(mirror(quorum)), 'via symmetry')
  } else {
    const { voters } = quorum
    check(bySorting(voters, acked), 'via alternative computation')
    check(commit({ voters, votersOutgoing: voters }), 'via self-joint quorum')
    for (const id of voters) {
      // What is below the committed index has no say, so lowering it further changes nothing.
      const own = acked.get(id) ?? 0
      if (own === 0 || own >= index) continue
      for (const lower of [own - 1, 0]) {
        check(commit(quorum, new Map(acked).set(id, lower)), `overlaying ${id}->${lower}`)
      }
    }
  }
  return `${text}${describeIndex(index)}\n`
}

function mirror(quorum: Quorum): Quorum {
  return { voters: quorum.votersOutgoing, votersOutgoing: quorum.voters }
}

function bySorting(voters: readonly number[], acked: ReadonlyMap<number, number>): number {
  const descending = voters.map(id => acked.get(id) ?? 0).sort((left, right) => right - left)
  return descending[majority(voters.length) - 1] ?? Number.POSITIVE_INFINITY
}

/** A bar per voter: how many others acknowledged less. */
function describeAcks(quorum: Quorum, acked: ReadonlyMap<number, number>): string {
  const voters = [...new Set([...quorum.voters, ...quorum.votersOutgoing])].sort((a, b) => a - b)
  if (voters.length === 0) return '<empty majority quorum>'
  const width = voters.length
  const rows = voters.map(id => {
    const own = acked.get(id)
    const below = voters.filter(other => (acked.get(other) ?? 0) < (own ?? 0)).length
    const bar = own === undefined ? '?'.padEnd(width + 1) : `${'x'.repeat(below)}>`.padEnd(width + 1)
    return `${bar} ${String(own ?? 0).padStart(5)}    (id=${id.toString(16)})\n`
  })
  return `${' '.repeat(width)}    idx\n${rows.join('')}`
}

function describeIndex(index: number): string {
  return index === Number.POSITIVE_INFINITY ? '∞' : String(index)
}

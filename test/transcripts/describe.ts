import {
  type ConfChange,
  type ConfChangeStep,
  type ConfState,
  type Entry,
  type HardState,
  localAppendThread,
  localApplyThread,
  type Message,
  type ProgressState,
  type Ready,
  type ReplicaProgress,
  type Role,
  type Snapshot,
} from '../../src/core/raft/index.ts'

/**
 * Changes that were proposed in etcd's older form; only the print of their entries tells the two forms apart.
 */
export type OldForm = WeakSet<ConfChange>

const roles: Record<Role, string> = {
  follower: 'StateFollower',
  'pre-candidate': 'StatePreCandidate',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
}

const progressStates: Record<ProgressState, string> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
}

const stepLetters: Record<ConfChangeStep['type'], string> = {
  'add-voter': 'v',
  'add-learner': 'l',
  remove: 'r',
  update: 'u',
}

export function describeRole(role: Role): string {
  return roles[role]
}

export function describeReady(ready: Ready, oldForm: OldForm): string {
  const lines: string[] = []
  const { softState, hardState, snapshot } = ready
  if (softState !== null) lines.push(`Lead:${softState.leader} State:${roles[softState.role]}`)
  if (hardState !== null) lines.push(`HardState ${describeHardState(hardState)}`)
  if (ready.readStates.length > 0) {
    lines.push(`ReadStates [${ready.readStates.map(each => `{${each.index} [${each.context}]}`).join(' ')}]`)
  }
  if (ready.entries.length > 0) {
    lines.push('Entries:', ...[...ready.entries].map(entry => describeEntry(entry, oldForm)))
  }
  if (snapshot !== null) lines.push(`Snapshot ${describeSnapshot(snapshot)}`)
  if (ready.committedEntries.length > 0) {
    lines.push(
      'CommittedEntries:',
      ...[...ready.committedEntries].map(entry => describeEntry(entry, oldForm)),
    )
  }
  if (ready.messages.length > 0) {
    lines.push('Messages:', ...ready.messages.map(message => describeMessage(message, oldForm)))
  }
  if (lines.length === 0) return '<empty Ready>'
  return `Ready MustSync=${ready.mustSync}:\n${lines.join('\n')}\n`
}

export function describeMessage(message: Message, oldForm: OldForm, indent = ''): string {
  const { entries, snapshot, responses } = message
  const path = `${describeTarget(message.from)}->${describeTarget(message.to)}`
  let text = `${indent}${path} ${message.type} Term:${message.term} Log:${message.logTerm}/${message.index}`
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`
  if (message.commit !== 0) text += ` Commit:${message.commit}`
  if (message.vote !== 0) text += ` Vote:${message.vote}`
  if (entries.length === 1) {
    text += ` Entries:[${[...entries].map(entry => describeEntry(entry, oldForm)).join('')}]`
  } else if (entries.length > 1) {
    const lines = [...entries].map(entry => `\n${indent}  ${describeEntry(entry, oldForm)}`)
    text += ` Entries:[${lines.join('')}\n${indent}]`
  }
  if (snapshot !== null) text += `\n${indent}  Snapshot: ${describeSnapshot(snapshot)}`
  if (responses.length > 0) {
    const nested = responses.map(response => `\n${describeMessage(response, oldForm, `${indent}  `)}`)
    text += ` Responses:[${nested.join('')}\n${indent}]`
  }
  return text
}

export function describeEntry(entry: Entry, oldForm: OldForm): string {
  const position = `${entry.term}/${entry.index}`
  if (entry.change === null) {
    return `${position} EntryNormal ${JSON.stringify(new TextDecoder().decode(entry.data))}`
  }
  const type = oldForm.has(entry.change) ? 'EntryConfChange' : 'EntryConfChangeV2'
  return `${position} ${type} ${describeSteps(entry.change.steps)}`.trimEnd()
}

function describeSteps(steps: readonly ConfChangeStep[]): string {
  return steps.map(step => `${stepLetters[step.type]}${step.replica}`).join(' ')
}

/** Reads `v1 l2 r3 u4`. */
export function parseSteps(text: string): ConfChangeStep[] {
  return text
    .split(/\s+/)
    .filter(token => token !== '')
    .map(token => {
      const type = (Object.keys(stepLetters) as ConfChangeStep['type'][]).find(
        each => stepLetters[each] === token[0],
      )
      if (type === undefined) throw new Error(`unknown input: ${token}`)
      if (!/^\d+$/.test(token.slice(1))) throw new Error(`unknown token ${token}`)
      return { type, replica: Number(token.slice(1)) }
    })
}

export function describeConf(conf: ConfState): string {
  let text = `voters=${describeIds(conf.voters)}`
  if (conf.votersOutgoing.length > 0) text += `&&${describeIds(conf.votersOutgoing)}`
  if (conf.learners.length > 0) text += ` learners=${describeIds(conf.learners)}`
  if (conf.learnersNext.length > 0) text += ` learners_next=${describeIds(conf.learnersNext)}`
  if (conf.autoLeave) text += ' autoleave'
  return text
}

export function describeProgress(progress: ReplicaProgress): string {
  let text = `${progress.id}: ${progressStates[progress.state]} match=${progress.match} next=${progress.next}`
  if (progress.isLearner) text += ' learner'
  if (progress.isPaused) text += ' paused'
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`
  if (!progress.recentActive) text += ' inactive'
  if (progress.inflightMessages > 0) text += ` inflight=${progress.inflightMessages}`
  if (progress.inflightMessages > 0 && progress.isInflightFull) text += '[full]'
  return text
}

function describeHardState(hardState: HardState): string {
  const vote = hardState.vote === 0 ? '' : ` Vote:${hardState.vote}`
  return `Term:${hardState.term}${vote} Commit:${hardState.commit}`
}

function describeSnapshot({ index, term, conf }: Snapshot): string {
  const list = (ids: readonly number[]) => `[${ids.join(' ')}]`
  const sets =
    `Voters:${list(conf.voters)} VotersOutgoing:${list(conf.votersOutgoing)} ` +
    `Learners:${list(conf.learners)} LearnersNext:${list(conf.learnersNext)}`
  return `Index:${index} Term:${term} ConfState:${sets} AutoLeave:${conf.autoLeave}`
}

function describeTarget(id: number): string {
  if (id === 0) return 'None'
  if (id === localAppendThread) return 'AppendThread'
  if (id === localApplyThread) return 'ApplyThread'
  return id.toString(16)
}

function describeIds(ids: readonly number[]): string {
  return `(${ids.map(id => id.toString(16)).join(' ')})`
}

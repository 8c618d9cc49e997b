import { isVoter } from '../../src/core/quorum.ts'
import {
  blankMessage,
  type ConfChange,
  type ConfState,
  emptyConfState,
  isLocalThread,
  type Message,
  type ProposeResult,
  packed,
  type StepResult,
} from '../../src/core/raft/index.ts'
import { type Argument, parseFlag, parseNumber, type Step } from './datadriven.ts'
import {
  describeEntry,
  describeMessage,
  describeProgress,
  describeReady,
  describeRole,
  type OldForm,
  parseSteps,
} from './describe.ts'
import { InteractionNode, type NodeOptions, stubOptions } from './interaction-node.ts'
import { Output } from './output.ts'

const dropped = 'raft proposal dropped'
const unknownPeer = 'raft: cannot step as peer not found'

/** Runs the commands of interaction/*.txt: replicas that talk only when the transcript says so. */
export class InteractionCommands {
  private readonly nodes: InteractionNode[] = []
  private messages: Message[] = []
  private readonly output = new Output()
  private readonly oldForm: OldForm = new WeakSet()

  private readonly commands: Readonly<Record<string, (step: Step) => void>> = {
    _breakpoint: () => {},
    'add-nodes': step => this.addNodes(step),
    campaign: step => this.node(step).raft.campaign(),
    compact: step => this.compact(step),
    'deliver-msgs': step => this.deliverMessages(step),
    'process-ready': step => this.forNodes(step, 'handling Ready', node => this.processReady(node)),
    'process-append-thread': step =>
      this.forNodes(step, 'processing append thread', node => this.processAppend(node)),
    'process-apply-thread': step =>
      this.forNodes(step, 'processing apply thread', node => this.processApply(node)),
    'log-level': step => this.output.setLevel(step.arguments[0]?.key ?? ''),
    'raft-log': step => this.describeLog(this.node(step)),
    'raft-state': () => this.describeStates(),
    'set-randomized-election-timeout': step =>
      this.node(step).raft.setElectionTimeout(parseNumber(argumentOf(step, 'timeout'))),
    // Not a command of etcd-io/raft: a replica asks for a read index under a number.
    'read-index': step => this.node(step).raft.readIndex(parseNumber(step.arguments[1]?.key ?? '')),
    stabilize: step => this.stabilizeAtLevel(step),
    status: step => this.describeStatus(this.node(step)),
    'tick-election': step => this.tick(this.node(step), this.node(step).options.electionTicks),
    'tick-heartbeat': step => this.tick(this.node(step), this.node(step).options.heartbeatTicks),
    'transfer-leadership': step => this.transferLeadership(step),
    'forget-leader': step => this.node(step).raft.forgetLeader(),
    'send-snapshot': step => this.sendSnapshot(step),
    propose: step => reportProposal(this.node(step).raft.propose([encode(step.arguments[1]?.key ?? '')])),
    'propose-conf-change': step => this.proposeConfChange(step),
    'report-unreachable': step => this.reportUnreachable(step),
  }

  run(step: Step): string {
    this.output.clear()
    try {
      const command = this.commands[step.command]
      if (command === undefined) throw new Error('unknown command')
      command(step)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      if (this.output.isQuiet) return text
      this.output.write(text)
    }
    return this.output.text === '' ? 'ok' : this.output.text
  }

  private addNodes(step: Step): void {
    const [count, ...rest] = step.arguments
    let options = stubOptions
    let index = 0
    let conf: ConfState = emptyConfState
    for (const { key, values } of rest) {
      if (key === 'voters') conf = { ...conf, voters: values.map(parseNumber) }
      else if (key === 'learners') conf = { ...conf, learners: values.map(parseNumber) }
      else if (key === 'index') index = parseNumber(values[0] ?? '')
      else if (key !== 'content') options = { ...options, ...parseOption({ key, values }) }
    }
    const isBootstrapped = conf !== emptyConfState || index > 0
    if (isBootstrapped && index <= 1) throw new Error('index must be specified as > 1 due to bootstrap')
    for (let i = 0; i < parseNumber(count?.key ?? ''); i++) {
      const snapshot = { index, term: isBootstrapped ? 1 : 0, conf }
      this.nodes.push(new InteractionNode(this.nodes.length + 1, options, snapshot))
    }
  }

  private proposeConfChange(step: Step): void {
    let isOldForm = false
    let transition: ConfChange['transition'] = 'auto'
    for (const { key, values } of step.arguments.slice(1)) {
      if (key === 'v1') isOldForm = parseFlag(values[0] ?? '')
      else if (key === 'transition') transition = parseTransition(values[0] ?? '')
      else throw new Error(`unknown command ${key}`)
    }
    const steps = parseSteps(step.input)
    if (isOldForm && (steps.length > 1 || transition !== 'auto')) {
      throw new Error('v1 conf change can only have one operation and no transition')
    }
    const change: ConfChange = { transition, steps, context: new Uint8Array(0) }
    if (isOldForm) this.oldForm.add(change)
    // As a message, not by the method, which refuses what the leader would replace by an entry without
    // effect.
    const { raft } = this.node(step)
    const id = raft.status().id
    const entry = { term: 0, index: 0, type: 'conf-change', data: new Uint8Array(0), change } as const
    reportStep(raft.step({ ...blankMessage, type: 'MsgProp', from: id, to: id, entries: packed([entry]) }))
  }

  private processReady(node: InteractionNode): void {
    const ready = node.raft.ready()
    this.output.write(describeReady(ready, this.oldForm))
    const isAsync = node.options.asyncStorageWrites
    if (!isAsync) {
      node.store(ready.hardState, ready.snapshot, ready.entries)
      node.apply(ready.committedEntries)
    }
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') node.appendWork.push(message)
      else if (message.type === 'MsgStorageApply') node.applyWork.push(message)
      else this.messages.push(message)
    }
    if (!isAsync) node.raft.advance()
  }

  private processAppend(node: InteractionNode): void {
    const work = node.appendWork.shift()
    if (work === undefined) throw new Error('no append work to perform')
    const { term, vote, commit, snapshot, entries } = work
    const hasHardState = term !== 0 || vote !== 0 || commit !== 0
    this.processWork(work, () => node.store(hasHardState ? { term, vote, commit } : null, snapshot, entries))
  }

  private processApply(node: InteractionNode): void {
    const work = node.applyWork.shift()
    if (work === undefined) throw new Error('no apply work to perform')
    this.processWork(work, () => node.apply(work.entries))
  }

  private processWork(work: Message, perform: () => void): void {
    this.output.writeLine('Processing:')
    this.output.writeLine(describeMessage({ ...work, responses: [] }, this.oldForm))
    perform()
    this.output.writeLine('Responses:')
    for (const response of work.responses) this.output.writeLine(describeMessage(response, this.oldForm))
    this.messages.push(...work.responses)
  }

  private deliverMessages(step: Step): void {
    const type = step.arguments.find(argument => argument.key === 'type')?.values[0]
    let count = 0
    for (const { key, values } of step.arguments) {
      if (values.length === 0) count += this.deliver(parseNumber(key), { type, drop: false })
      if (key !== 'drop') continue
      for (const value of values) count += this.deliver(parseNumber(value), { type, drop: true })
    }
    if (count === 0) this.output.writeLine('no messages')
  }

  /** Messages to itself and to storage are not on the network, so they cannot be dropped. */
  private deliver(
    id: number,
    options: { readonly type: string | undefined; readonly drop: boolean },
  ): number {
    const isTaken = (message: Message) =>
      message.to === id &&
      !(options.drop && (message.from === id || isLocalThread(message.from))) &&
      (options.type === undefined || message.type === options.type)
    const taken = this.messages.filter(isTaken)
    this.messages = this.messages.filter(message => !isTaken(message))
    for (const message of taken) {
      const text = describeMessage(message, this.oldForm)
      this.output.writeLine(options.drop ? `dropped: ${text}` : text)
      if (options.drop) continue
      try {
        reportStep(this.nodeOf(id).raft.step(message))
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error
        this.output.writeLine(error.message)
      }
    }
    return taken.length
  }

  private stabilizeAtLevel(step: Step): void {
    const level = step.arguments.find(argument => argument.key === 'log-level')?.values[0]
    const ids = step.arguments.filter(argument => argument.values.length === 0)
    const nodes = ids.length === 0 ? this.nodes : this.nodesOf(step)
    const before = this.output.level
    if (level !== undefined) this.output.setLevel(level)
    try {
      this.stabilize(nodes)
    } finally {
      this.output.level = before
    }
  }

  /** Lets the nodes run until they have nothing more to do. */
  private stabilize(nodes: readonly InteractionNode[]): void {
    let isDone = false
    while (!isDone) {
      isDone = true
      const phase = (isBusy: (node: InteractionNode) => boolean, verb: string, perform: Perform) => {
        for (const node of nodes) {
          if (!isBusy(node)) continue
          isDone = false
          this.output.writeLine(`> ${idOf(node)} ${verb}`)
          this.output.indent(() => perform(node))
        }
      }
      const hasMail = (node: InteractionNode) => this.messages.some(message => message.to === idOf(node))
      phase(
        node => node.raft.hasReady(),
        'handling Ready',
        node => this.processReady(node),
      )
      phase(hasMail, 'receiving messages', node => this.deliver(idOf(node), { type: undefined, drop: false }))
      phase(
        node => node.appendWork.length > 0,
        'processing append thread',
        node => {
          while (node.appendWork.length > 0) this.processAppend(node)
        },
      )
      phase(
        node => node.applyWork.length > 0,
        'processing apply thread',
        node => {
          while (node.applyWork.length > 0) this.processApply(node)
        },
      )
    }
  }

  private compact(step: Step): void {
    const node = this.node(step)
    node.log.compact(parseNumber(step.arguments[1]?.key ?? ''))
    this.describeLog(node)
  }

  private describeLog(node: InteractionNode): void {
    const entries = node.storedEntries()
    if (entries.length === 0) {
      const [first, last] = [node.log.firstIndex(), node.log.lastIndex()]
      this.output.write(`log is empty: first index=${first}, last index=${last}`)
    }
    for (const entry of entries) this.output.writeLine(describeEntry(entry, this.oldForm))
  }

  private describeStatus(node: InteractionNode): void {
    for (const progress of node.raft.status().progress) this.output.writeLine(describeProgress(progress))
  }

  private describeStates(): void {
    for (const { raft } of this.nodes) {
      const { id, role, conf, term, leader } = raft.status()
      const voter = isVoter(conf, id) ? '(Voter)' : '(Non-Voter)'
      this.output.writeLine(`${id}: ${describeRole(role)} ${voter} Term:${term} Lead:${leader}`)
    }
  }

  private sendSnapshot(step: Step): void {
    const [from, to] = this.nodesOf(step)
    if (from === undefined || to === undefined) throw new Error('two nodes are needed')
    const snapshot = from.log.snapshot()
    if (snapshot === 'unavailable') throw new Error(snapshot)
    const { id, term } = from.raft.status()
    const message: Message = { ...blankMessage, type: 'MsgSnap', from: id, to: idOf(to), term, snapshot }
    this.messages.push(message)
    this.output.write(describeMessage(message, this.oldForm))
  }

  private transferLeadership(step: Step): void {
    const from = this.nodeOf(parseNumber(argumentOf(step, 'from')))
    from.raft.transferLeadership(parseNumber(argumentOf(step, 'to')))
  }

  private reportUnreachable(step: Step): void {
    const [at, unreachable] = this.nodesOf(step)
    if (at === undefined || unreachable === undefined) throw new Error('two nodes are needed')
    at.raft.reportUnreachable(idOf(unreachable))
  }

  private tick(node: InteractionNode, ticks: number): void {
    for (let i = 0; i < ticks; i++) node.raft.tick()
  }

  private forNodes(step: Step, verb: string, perform: Perform): void {
    const nodes = this.nodesOf(step)
    for (const node of nodes) {
      if (nodes.length === 1) {
        perform(node)
        continue
      }
      this.output.writeLine(`> ${idOf(node)} ${verb}`)
      this.output.indent(() => perform(node))
    }
  }

  private node(step: Step): InteractionNode {
    return this.nodeOf(parseNumber(step.arguments[0]?.key ?? ''))
  }

  private nodesOf(step: Step): InteractionNode[] {
    return step.arguments
      .filter(argument => argument.values.length === 0)
      .map(argument => this.nodeOf(parseNumber(argument.key)))
  }

  private nodeOf(id: number): InteractionNode {
    const node = this.nodes[id - 1]
    if (node === undefined) throw new Error(`no node ${id}`)
    return node
  }
}

type Perform = (node: InteractionNode) => void

/** What the core refused; printed, and the transcript goes on. */
class RefusedError extends Error {}

function reportStep(result: StepResult): void {
  if (result === 'refused') throw new RefusedError(dropped)
  if (result === 'unknown-peer') throw new RefusedError(unknownPeer)
}

function reportProposal(result: ProposeResult): void {
  if (result.type === 'refused') throw new RefusedError(dropped)
}

function idOf(node: InteractionNode): number {
  return node.raft.status().id
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function argumentOf(step: Step, key: string): string {
  const value = step.arguments.find(argument => argument.key === key)?.values[0]
  if (value === undefined) throw new Error(`missing argument ${key}`)
  return value
}

function parseOption({ key, values: [value = ''] }: Argument): Partial<NodeOptions> {
  switch (key) {
    case 'inflight':
      return { inflightMessagesMax: parseNumber(value) }
    case 'async-storage-writes':
      return { asyncStorageWrites: parseFlag(value) }
    case 'prevote':
      return { preVote: parseFlag(value) }
    case 'checkquorum':
      return { checkQuorum: parseFlag(value) }
    case 'max-committed-size-per-ready':
      return { committedBytesMax: parseNumber(value) }
    case 'disable-conf-change-validation':
      return { disableConfChangeValidation: parseFlag(value) }
    case 'read-only':
      return { readOnly: value === 'lease-based' ? 'lease' : 'safe' }
    case 'step-down-on-removal':
      return { stepDownOnRemoval: parseFlag(value) }
    default:
      throw new Error(`unknown argument ${key}`)
  }
}

function parseTransition(value: string): ConfChange['transition'] {
  switch (value) {
    case 'auto':
      return 'auto'
    case 'implicit':
      return 'joint-implicit'
    case 'explicit':
      return 'joint-explicit'
    default:
      throw new Error(`unknown transition ${value}`)
  }
}

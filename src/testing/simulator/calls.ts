import type { GroupId, Revision } from '../../core/types.ts'
import { keyOps, type Op, readOps, sharedKeys } from './call-kinds.ts'
import type { HostLife } from './simulated-host.ts'
import type { Trace } from './trace.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/** One call of a client: a line of the history. Times are the world's virtual milliseconds. */
export interface Call {
  readonly client: string
  readonly group: GroupId
  readonly op: Op
  readonly key: string
  readonly args: readonly unknown[]
  readonly call: number
  return: number | null
  /** Undefined while it is under way. */
  outcome: 'ok' | 'fail' | 'unknown' | undefined
  result: unknown
  /** What had been answered anywhere before it began. */
  readonly floor: Revision
  /** What its store had been told before it began. */
  readonly seen: Revision
  /** The code of the error it ended with, or 'ok'. */
  code: string
  error: unknown
  /** When its host was told that it is committed. */
  committed: Revision | undefined
  /** Who knows best what to make of the answer. */
  readonly judge: ((call: Call) => void) | undefined
}

/** Whether the call is of one key, and of one that nothing else works on. */
export function isOfKey({ op, key }: Call): boolean {
  return (keyOps as readonly Op[]).includes(op) && !(sharedKeys as readonly string[]).includes(key)
}

export function isRead({ op }: Call): boolean {
  return (readOps as readonly Op[]).includes(op)
}

/** Whether all that was answered anywhere before the call has to show in its answer. */
export function isLinearizable({ op }: Call): boolean {
  return !op.startsWith('session') && !op.startsWith('stale')
}

/** The calls of all clients. */
export class Calls {
  readonly history: Call[] = []
  private readonly underWay = new Map<Call, HostLife>()
  /** Answered within this event: judged once the event is over, when its effects are known. */
  private answered: Call[] = []
  private readonly timers: VirtualTimers
  private readonly trace: Trace

  constructor(timers: VirtualTimers, trace: Trace) {
    this.timers = timers
    this.trace = trace
  }

  get pending(): readonly Call[] {
    return [...this.underWay.keys()]
  }

  begin(
    life: HostLife,
    what: Pick<Call, 'client' | 'group' | 'op' | 'key' | 'args' | 'floor' | 'seen' | 'judge'>,
  ): Call {
    const times = { call: this.timers.now(), return: null, outcome: undefined, result: undefined }
    const call: Call = { ...what, ...times, code: '', error: undefined, committed: undefined }
    this.history.push(call)
    this.underWay.set(call, life)
    const { client, op, key, args } = call
    this.trace.note(life.owner.id, 'call', this.history.length, () => [client, op, key, ...args].join(' '))
    return call
  }

  /** False when it has ended before. */
  settle(call: Call, outcome: 'ok' | 'fail' | 'unknown', code: string, result?: unknown): boolean {
    const life = this.underWay.get(call)
    if (life === undefined) return false
    this.underWay.delete(call)
    call.outcome = outcome
    call.code = code
    call.return = this.timers.now()
    call.result = result
    this.answered.push(call)
    this.trace.note(life.owner.id, 'return', call.floor, () =>
      [call.client, call.op, call.key, ...call.args, '->', code, JSON.stringify(result) ?? ''].join(' '),
    )
    return true
  }

  /** The host is gone, and with it all that waited there. */
  ended(life: HostLife): void {
    for (const [call, where] of this.underWay) {
      if (where === life) this.settle(call, isRead(call) ? 'fail' : 'unknown', 'gone')
    }
  }

  /** What was answered since this was asked last. */
  takeAnswered(): readonly Call[] {
    const calls = this.answered
    if (calls.length > 0) this.answered = []
    return calls
  }
}

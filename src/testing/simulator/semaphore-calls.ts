import { isQuorateError } from '../../core/error.ts'
import type { Permit } from '../../engine/recipes/semaphore.ts'
import type { ModelItem } from '../checkers/transaction-model.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import { holdTtlsMs, type Lines, type Place, turnWaitsMs } from './lines.ts'
import { RangeHistory } from './range-history.ts'

/** What they are called, and how many permits most ask for. */
const limits = { one: 1, two: 2, three: 3 } as const

/** Semaphores: permits are held for a while, and written behind; some ask with another limit than the others. */
export class SemaphoreCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly lines: Lines
  private readonly histories = new Map<string, RangeHistory>()

  constructor(desk: Desk, lines: Lines) {
    this.desk = desk
    this.lines = lines
  }

  async call(worker: Worker): Promise<void> {
    const { desk, lines } = this
    const { store } = worker
    const name = desk.pick(['one', 'two', 'two', 'three'] as const)
    const limit = desk.random() < 0.1 ? 2 : limits[name]
    const ttlMs = desk.pick(holdTtlsMs)
    const waits = desk.random() < 0.7
    let permit: Permit | undefined
    let place: Place | undefined
    const enter = async () => {
      const options = { ttlMs, ...(waits && { deadlineMs: desk.pick(turnWaitsMs) }), ...desk.bounds() }
      const semaphore = await store.semaphore(name, { limit })
      permit = await (waits ? semaphore.acquire(options) : semaphore.tryAcquire(options))
      if (permit !== undefined) place = lines.given(worker, permit, ttlMs, limit)
      return place
    }
    const judge = (call: Call) => this.judge(call, name, limit)
    await desk.make(worker, { op: 'semaphore', args: [name, limit, ttlMs], judge }, enter)
    if (permit !== undefined && place !== undefined)
      await lines.use(worker, permit, { place, ttlMs, guard: `k guard permits ${name}` })
  }

  private judge(call: Call, name: string, limit: number): void {
    const { group, outcome, floor, error } = call
    const place = call.result as Place | undefined
    const history = this.historyOf(group, name)
    if (outcome === 'ok' && place !== undefined) {
      this.lines.judgeHeld(call, place)
      const others = history.at(place.token).items.filter(item => limitOf(item) !== limit)
      if (others.length > 0)
        this.fail(
          call,
          `token ${place.token} has a limit of ${limit}, and others of ${name} have another one`,
        )
    } else if (outcome === 'ok') {
      const isFull = (items: readonly ModelItem[]) => items.length >= limit
      if (history.find(floor, isFull) === undefined)
        this.fail(call, `no permit of ${name} was said to be free, and there was one since ${floor}`)
    } else if (isQuorateError(error, 'LIMIT_MISMATCH')) {
      const told = Number((error.detail as { readonly limit: number }).limit)
      const isOther = (items: readonly ModelItem[]) => items[0] !== undefined && limitOf(items[0]) === told
      if (told === limit || history.find(floor, isOther) === undefined)
        this.fail(call, `${name} was refused with ${limit}, as if ${told} were its limit since ${floor}`)
    }
  }

  private historyOf(group: string, name: string): RangeHistory {
    const prefix = `\0$semaphore\0${name}\0`
    const history =
      this.histories.get(`${group} ${name}`) ??
      new RangeHistory(this.desk.oracleOf(group), key => key.startsWith(prefix))
    this.histories.set(`${group} ${name}`, history)
    return history
  }

  private fail({ group }: Call, message: string): void {
    this.desk.report('semaphore', `${group}: ${message}`)
  }
}

function limitOf({ value }: ModelItem): number {
  return Number(String(value).split(',')[1])
}

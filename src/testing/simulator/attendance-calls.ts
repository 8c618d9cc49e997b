import { type Attending, attendances, historiesOf, placeText, type Said } from './attendance.ts'
import type { SpecialOp } from './call-kinds.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import { holdTtlsMs, type Lines, type Place, turnWaitsMs } from './lines.ts'

/**
 * Elections and presence: to lead or to be there for a while, to say something else meanwhile, and to look at who leads
 * or is there.
 */
export class AttendanceCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly lines: Lines
  private readonly historyOf: ReturnType<typeof historiesOf>

  constructor(desk: Desk, lines: Lines) {
    this.desk = desk
    this.lines = lines
    this.historyOf = historiesOf(desk.oracleOf)
  }

  call(worker: Worker, op: SpecialOp): Promise<void> {
    const attending = op as Attending
    return this.desk.random() < 0.3 ? this.look(worker, attending) : this.attend(worker, attending)
  }

  private async attend(worker: Worker, op: Attending): Promise<void> {
    const { desk, lines } = this
    const { limit, enter } = attendances[op]
    const { life, store } = worker
    const name = desk.name(life)
    const ttlMs = desk.pick(holdTtlsMs)
    let said: Said | undefined
    let place: Place | undefined
    const start = async () => {
      const options = { ttlMs, deadlineMs: desk.pick(turnWaitsMs), ...desk.bounds() }
      said = await enter(store, desk.long(name), options)
      place = lines.given(worker, said.holding, ttlMs, limit)
      return place
    }
    const judge = (call: Call) => {
      if (call.outcome !== 'ok') return
      const given = call.result as Place
      lines.judgeHeld(call, given)
      const told = desk.oracleOf(store.name).itemAt(given.key, given.token)?.value
      const expected = placeText(life.owner.id, limit, name)
      if (told !== expected) this.fail(call, `${told} was said at ${given.token}, where ${expected} is right`)
    }
    await desk.make(worker, { op, args: ['enter', ttlMs, name], judge }, start)
    if (said === undefined || place === undefined) return
    const given = { holding: said.holding, say: said.say, place }
    const use = { place, ttlMs, guard: `k guard ${op}` }
    await lines.use(worker, said.holding, use, () => this.say(worker, op, given))
  }

  private async say(
    worker: Worker,
    op: Attending,
    { say, place }: Said & { readonly place: Place },
  ): Promise<void> {
    const { desk, lines } = this
    const { life } = worker
    const name = desk.name(life)
    const judge = (call: Call) => {
      const { group, outcome, result, floor } = call
      const oracle = desk.oracleOf(group)
      const text = placeText(life.owner.id, place.limit, name)
      if (outcome === 'fail') oracle.refused(name)
      if (outcome === 'ok')
        oracle.wrote(place.key, (result as { readonly revision: number }).revision, text, floor)
      lines.judgeLost(call, place, name)
    }
    const start = () => say(desk.long(name), desk.bounds())
    await desk.make(worker, { op, args: ['say', place.token, name], judge }, start)
  }

  private async look(worker: Worker, op: Attending): Promise<void> {
    const { desk } = this
    const consistency = desk.pick(['linearizable', 'linearizable', 'session', 'stale'] as const)
    const judge = (call: Call) => {
      if (call.outcome !== 'ok') return
      const floor = consistency === 'linearizable' ? call.floor : consistency === 'session' ? call.seen : 0
      const { show } = attendances[op]
      const state = this.historyOf(call.group, op).find(floor, items => show(items) === call.result)
      if (state === undefined)
        return this.fail(call, `${call.result} was never there since ${floor} was known`)
      const oracle = desk.oracleOf(call.group)
      oracle.floor = Math.max(oracle.floor, state.revision)
    }
    const start = () => attendances[op].look(worker.store, { consistency, ...desk.bounds() })
    await desk.make(worker, { op, args: ['look', consistency], judge }, start)
  }

  private fail({ group, op }: Call, message: string): void {
    this.desk.report(op, `${group}: ${message}`)
  }
}

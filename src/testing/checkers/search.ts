import { assert } from '../../base/assert.ts'
import type { Model, Stuck } from './model.ts'
import type { TimedOperation } from './operation.ts'

/** How far one order has come: which operations have their place in it, and the state they lead to. */
interface Configuration<State> {
  readonly state: State
  readonly fingerprint: string
  /** The first answered operation, by time of call, that has no place yet. */
  readonly waiting: number
  /** Operations behind that one that have theirs, in ascending order. */
  readonly ahead: readonly number[]
  /** Operations of unknown outcome that took effect: bit `i` is the `i`-th of them. */
  readonly unknown: bigint
  /** What the order was before its last operation, and that operation. */
  readonly before: Configuration<State> | undefined
  readonly last: number
}

/** Where equally many answers are placed. A fresh one is led on by answered operations, and later by unknown ones. */
interface Level<State> {
  readonly fresh: Configuration<State>[]
  readonly tried: Configuration<State>[]
  /** How many of them have had their turn. */
  freshDone: number
  triedDone: number
}

interface Candidates {
  readonly candidates: readonly number[]
  /** The place of that return. */
  readonly due: number
}

/** States at the point where the search got stuck, that are told. */
const statesToldMax = 8

/**
 * The search for an order of one part: Wing and Gong 1993, with Lowe's memory of configurations (Testing for
 * linearizability, 2017). Whatever was called before the first answer that is due may come next.
 *
 * The configuration with the most answers placed is led on first, as in a search in depth. Operations of unknown
 * outcome are never due: they are tried when nothing else leads on, few before many, and only right before one that
 * needs them. What is reached with more of them spent, the rest being equal, can do nothing that the other could not,
 * and is forgotten. Otherwise every subset of them would be met, and a history may have hundreds.
 */
export class Search<State, Op extends TimedOperation> {
  /** Applications of the model. */
  steps = 0
  private readonly model: Model<State, Op>
  private readonly part: string
  /** Answered ones and then those of unknown outcome that do anything, both by time of call. */
  private readonly operations: readonly Op[]
  /** The same, as the model wants them. */
  private readonly prepared: readonly Op[]
  private readonly answered: number
  /** Those of unknown outcome, with those together that do the same. */
  private readonly alike: readonly (readonly number[])[]
  /** When operations were called and answered, as places in the order of all calls and returns. */
  private readonly callPlace: Int32Array
  private readonly returnPlace: Int32Array
  /** By the number of answers placed. */
  private readonly levels: Level<State>[] = []
  /** By state and placed answers: the smallest sets of unknown operations with which this was reached. */
  private readonly known = new Map<string, bigint[]>()
  /** The latest answer that is due in any configuration: place of its return, and who is there. */
  private furthest = -1
  private stuck: Configuration<State>[] = []

  constructor(model: Model<State, Op>, operations: readonly Op[], part: string) {
    this.model = model
    this.part = part
    const byCall = [...operations].sort((left, right) => left.call - right.call)
    const prepared = model.prepare?.(byCall) ?? byCall
    const order = Array.from(byCall.keys())
    const effects = prepared.map(
      (operation, i) => model.effect?.(operation) ?? (model.effect ? null : `${i}`),
    )
    const answered = order.filter(i => byCall[i]?.outcome === 'ok')
    const unknown = order.filter(i => byCall[i]?.outcome === 'unknown' && effects[i] !== null)
    this.operations = [...answered, ...unknown].map(i => at(byCall, i))
    this.prepared = [...answered, ...unknown].map(i => at(prepared, i))
    this.answered = answered.length
    this.alike = group(unknown.map((i, n) => [effects[i] ?? '', answered.length + n]))
    this.callPlace = new Int32Array(this.operations.length)
    this.returnPlace = new Int32Array(this.answered)
    this.placeAll()
  }

  run(stepsMax: number): 'linearizable' | 'undecided' | Stuck<Op> {
    const { initial } = this.model
    const fingerprint = this.model.fingerprint(initial)
    const first = { fingerprint, waiting: 0, ahead: [], unknown: 0n, before: undefined, last: -1 }
    this.add({ state: initial, ...first })
    for (let level = this.levels.at(-1); level !== undefined; level = this.levels.at(-1)) {
      if (this.levels.length > this.answered) return 'linearizable'
      if (this.steps >= stepsMax) return 'undecided'
      const fresh = level.fresh[level.freshDone]
      const tried = level.tried[level.triedDone]
      if (fresh !== undefined) {
        level.freshDone++
        level.tried.push(fresh)
        this.placeAnswered(fresh)
      } else if (tried !== undefined) {
        level.triedDone++
        this.placeUnknown(tried)
      } else {
        this.levels.pop()
      }
    }
    return this.explain()
  }

  /** Leads on by each answered operation that may come next; by one alone, where it fits and changes nothing. */
  private placeAnswered(before: Configuration<State>): void {
    const { candidates, due } = this.candidatesOf(before)
    this.noteFurthest(before, due)
    const lowest = Math.min(...candidates.map(position => this.rankOf(position) ?? Number.POSITIVE_INFINITY))
    const next = candidates.filter(position => (this.rankOf(position) ?? lowest) <= lowest)
    const isObservation = (position: number) =>
      this.model.isObservation?.(at(this.prepared, position)) === true
    // Whatever order comes later, it comes as well with this one moved to its front.
    if (next.some(position => isObservation(position) && this.place(before, position) === before.fingerprint))
      return
    for (const position of next) this.place(before, position)
  }

  /** Leads on by an answered operation. Returns the fingerprint of the state that this leads to, if it does. */
  private place(before: Configuration<State>, position: number): string | undefined {
    const state = this.step(before.state, position)
    if (state === undefined) return undefined
    const fingerprint = this.model.fingerprint(state)
    if (this.canComeEarlier(before, position, fingerprint)) return undefined
    const after = advance(before.waiting, before.ahead, position)
    this.add({ state, fingerprint, ...after, unknown: before.unknown, before, last: position })
    return fingerprint
  }

  /**
   * Whether the answered operation can change places with the unknown one before it. The other way round leads to
   * the same configuration and is tried too: so an unknown operation comes only right before one that needs it.
   */
  private canComeEarlier({ before, last }: Configuration<State>, position: number, reached: string): boolean {
    if (before === undefined || last < this.answered) return false
    const between = this.step(before.state, position)
    const state = between === undefined ? undefined : this.step(between, last)
    return state !== undefined && this.model.fingerprint(state) === reached
  }

  /** Leads on by each operation of unknown outcome that may come next, and changes anything. */
  private placeUnknown(before: Configuration<State>): void {
    const { due } = this.candidatesOf(before)
    const isAfterUnknown = before.last >= this.answered
    for (const positions of this.alike) {
      // Of those that do the same, the one that was called first may come whenever another may.
      const position = positions.find(each => (before.unknown & this.bitOf(each)) === 0n)
      if (position === undefined || placeIn(this.callPlace, position) > due) continue
      if (isAfterUnknown && this.model.isBlind?.(at(this.prepared, position))) continue
      const state = this.step(before.state, position)
      if (state === undefined) continue
      const fingerprint = this.model.fingerprint(state)
      if (fingerprint === before.fingerprint) continue
      this.add({
        ...before,
        state,
        fingerprint,
        unknown: before.unknown | this.bitOf(position),
        before,
        last: position,
      })
    }
  }

  private step(state: State, position: number): State | undefined {
    this.steps++
    return this.model.step(state, at(this.prepared, position))
  }

  private rankOf(position: number): number | undefined {
    return this.model.rank?.(at(this.prepared, position))
  }

  private bitOf(position: number): bigint {
    return 1n << BigInt(position - this.answered)
  }

  /** Remembers the configuration, and puts it on the list of what is to be led on, unless it is of no use. */
  private add(configuration: Configuration<State>): void {
    const { waiting, ahead, unknown, fingerprint } = configuration
    const key = `${waiting} ${ahead.join()} ${fingerprint}`
    const sets = this.known.get(key)
    if (sets?.some(set => (set & unknown) === set)) return
    this.known.set(key, [unknown, ...(sets ?? []).filter(set => (set & unknown) !== unknown)])
    const placed = waiting + ahead.length
    while (this.levels.length <= placed) {
      this.levels.push({ fresh: [], tried: [], freshDone: 0, triedDone: 0 })
    }
    this.levels[placed]?.fresh.push(configuration)
  }

  /** Answered operations that may come next: those called before the first return of one that waits. */
  private candidatesOf({ waiting, ahead }: Configuration<State>): Candidates {
    const candidates: number[] = []
    let due = Number.POSITIVE_INFINITY
    let passed = 0
    for (let position = waiting; position < this.answered; position++) {
      if (ahead[passed] === position) {
        passed++
        continue
      }
      if (placeIn(this.callPlace, position) > due) break
      due = Math.min(due, placeIn(this.returnPlace, position))
      candidates.push(position)
    }
    return { candidates, due }
  }

  private noteFurthest(configuration: Configuration<State>, due: number): void {
    if (due < this.furthest) return
    if (due > this.furthest) this.stuck = []
    this.furthest = due
    this.stuck.push(configuration)
  }

  private explain(): Stuck<Op> {
    const { furthest, stuck, operations } = this
    const [first] = stuck
    assert(first !== undefined, 'the search began somewhere')
    const order: number[] = []
    for (let step = first; step.before !== undefined; step = step.before) order.push(step.last)
    const due = this.returnPlace.indexOf(furthest)
    const isPending = (position: number) =>
      placeIn(this.callPlace, position) < furthest && !order.includes(position) && position !== due
    const positions = Array.from(operations.keys())
    return {
      part: this.part,
      operation: at(operations, due),
      explained: this.returnPlace.filter(place => place < furthest).length,
      order: order.reverse().map(position => at(operations, position)),
      pending: positions.filter(isPending).map(position => at(operations, position)),
      states: [...new Set(stuck.map(({ fingerprint }) => fingerprint))].slice(0, statesToldMax),
    }
  }

  private placeAll(): void {
    const { operations, answered } = this
    const calls = operations.map((operation, position) => ({
      time: operation.call,
      position,
      isReturn: false,
    }))
    const returns = operations
      .slice(0, answered)
      .map((operation, position) => ({ time: operation.return ?? 0, position, isReturn: true }))
    // At one time calls come first, as the sort is stable: what ends when another begins may come behind it.
    const all = [...calls, ...returns].sort((left, right) => left.time - right.time)
    for (const [place, { position, isReturn }] of all.entries()) {
      const places = isReturn ? this.returnPlace : this.callPlace
      places[position] = place
    }
  }
}

/** Gives the answered operation at `position` its place. */
function advance(
  waiting: number,
  ahead: readonly number[],
  position: number,
): { readonly waiting: number; readonly ahead: readonly number[] } {
  if (position !== waiting) {
    const later = ahead.filter(other => other > position)
    return { waiting, ahead: [...ahead.slice(0, ahead.length - later.length), position, ...later] }
  }
  let passed = 0
  while (ahead[passed] === waiting + 1 + passed) passed++
  return { waiting: waiting + 1 + passed, ahead: ahead.slice(passed) }
}

function group(pairs: readonly (readonly [string, number])[]): number[][] {
  const groups = new Map<string, number[]>()
  for (const [name, position] of pairs) groups.set(name, [...(groups.get(name) ?? []), position])
  return [...groups.values()]
}

function placeIn(places: Int32Array, position: number): number {
  return at<number>(places, position)
}

function at<Item>(items: ArrayLike<Item>, position: number): Item {
  const item = items[position]
  assert(item !== undefined, 'the position is that of an operation')
  return item
}

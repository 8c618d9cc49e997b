import type { Clock } from '../../clock/clock.ts'
import { isQuorateError } from '../../core/error.ts'
import { gatheredKeysMax } from '../../core/limits.ts'
import type { Freshness, ReadResult } from '../backend.ts'
import { type Call, Pending } from '../calls/call.ts'

interface Get {
  readonly keys: readonly string[]
  readonly freshness: Freshness
  readonly pending: Pending<ReadResult>
}

/** Calls that end so close to each other may end together: a client's call may end so much early. */
const togetherMs = 50

/**
 * Gets of a client, those of one turn in one question: an own frame for each key would cost more than finding it. A
 * question is as fresh as the freshest of its gets asks for, and all of them began before it is asked.
 */
export class GatheredGets {
  private readonly clock: Clock
  private readonly ask: (keys: readonly string[], freshness: Freshness, call: Call) => Promise<ReadResult>
  private waiting: Get[] = []

  constructor(clock: Clock, ask: GatheredGets['ask']) {
    this.clock = clock
    this.ask = ask
  }

  read(keys: readonly string[], freshness: Freshness, call: Call): Promise<ReadResult> {
    const pending = new Pending<ReadResult>(call)
    if (this.waiting.push({ keys, freshness, pending }) === 1) this.clock.soon(() => this.flush())
    return pending.promise
  }

  private flush(): void {
    let rest = this.waiting.filter(({ pending }) => !pending.isSettled)
    this.waiting = []
    while (rest.length > 0) {
      const [first] = rest as [Get, ...Get[]]
      const together: Get[] = []
      const others: Get[] = []
      let count = 0
      for (const get of rest) {
        const fits = get === first || (isAlike(get, first) && count + get.keys.length <= gatheredKeysMax)
        if (fits) count += get.keys.length
        ;(fits ? together : others).push(get)
      }
      rest = others
      void this.askTogether(together)
    }
  }

  private async askTogether(gets: readonly Get[]): Promise<void> {
    const deadline = Math.min(...gets.map(({ pending }) => pending.call.deadline))
    const atLeast = Math.max(...gets.map(({ freshness }) => freshness.atLeast))
    const [{ freshness, pending }] = gets as [Get, ...Get[]]
    // One alone ends with its signal, several go on for the others.
    const signal = gets.length === 1 ? pending.call.signal : undefined
    const keys = gets.flatMap(get => get.keys)
    try {
      const result = await this.ask(keys, { ...freshness, atLeast }, { deadline, signal })
      let from = 0
      for (const get of gets) {
        const items = result.items.slice(from, from + get.keys.length)
        from += get.keys.length
        get.pending.resolve({ ...result, items, count: items.length })
      }
    } catch (error) {
      // Each alone may be small enough.
      if (gets.length > 1 && isQuorateError(error, 'TOO_LARGE'))
        for (const get of gets) void this.askTogether([get])
      else for (const get of gets) get.pending.reject(error)
    }
  }
}

function isAlike(left: Get, right: Get): boolean {
  return (
    left.freshness.consistency === right.freshness.consistency &&
    Math.abs(left.pending.call.deadline - right.pending.call.deadline) <= togetherMs / 2
  )
}

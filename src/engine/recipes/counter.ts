import { decodeValue } from '../../wire/value.ts'
import { checkOptions } from '../calls/check-options.ts'
import type { Incremented, IncrementOptions } from '../transactions/command-transaction.ts'
import type { ReadOptions, WriteOptions } from '../types.ts'
import type { Means } from './means.ts'
import { addCommand, placeOf } from './places.ts'

/** Bounds of a counter (`min`, `max`), and what it begins with (`initial`): safe integers. */
export type CounterOptions = Omit<IncrementOptions, 'by'>

/**
 * A number that many count up and down: every call counts once, or rejects with what is known of it. Its bounds and
 * what it begins with are not stored: they are those of this object, and to be given alike wherever it is used.
 */
export class Counter {
  private readonly means: Means
  private readonly name: string
  private readonly options: CounterOptions
  private readonly key: string

  /** @internal */
  constructor(means: Means, name: string, options: CounterOptions) {
    checkOptions(options)
    const { min, max, initial } = options
    const given = Object.entries({ min, max, initial }).filter(([, number]) => number !== undefined)
    for (const [option, number] of given) checkInteger(option, number)
    if (min !== undefined && max !== undefined && min > max) throw new TypeError('min is above max')
    this.means = means
    this.name = name
    this.options = Object.fromEntries(given)
    this.key = placeOf('$counter', name).slice(0, -1)
  }

  /** Adds an integer. `ok` is false, and nothing changes, where the sum would leave the bounds given here. */
  async add(by = 1, options: WriteOptions = {}): Promise<Incremented> {
    checkInteger('by', by)
    const args = [this.name, { ...this.options, by }]
    return (await this.means.calls.run(addCommand, args, options)).value as Incremented
  }

  /** What it stands at, as fresh as `consistency` says; `initial` where nothing was added yet. */
  get(options: ReadOptions = {}): Promise<number> {
    const { initial = 0 } = this.options
    return this.means.calls.get(this.key, options, item =>
      item === null ? initial : (decodeValue(item.value) as number),
    )
  }
}

function checkInteger(name: string, number: unknown): void {
  if (!Number.isSafeInteger(number)) throw new TypeError(`${name} is an integer`)
}

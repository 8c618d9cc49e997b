import { violated } from './assert.ts'

export interface ReadonlySequenceWindow<Value> extends Iterable<readonly [number, Value]> {
  readonly size: number
  get(number: number): Value | undefined
  has(number: number): boolean
}

const slotsMin = 16

/**
 * Values by number, for numbers that come close to each other and are let go from the low end. A ring: every write of
 * a session comes by here three times on every replica, and a Map takes ten times as long. It takes memory for all
 * numbers from the lowest it may hold to the highest it does, so whoever fills it bounds that span.
 */
export class SequenceWindow<Value> implements ReadonlySequenceWindow<Value> {
  /** A power of two; number n lies at n modulo that. */
  private slots: (Value | undefined)[] = []
  private low: number
  /** Behind the highest number in it. */
  private end: number
  private count = 0

  /** Of numbers above `floor`. */
  constructor(floor: number) {
    this.low = floor + 1
    this.end = this.low
  }

  get size(): number {
    return this.count
  }

  get(number: number): Value | undefined {
    return number >= this.low && number < this.end ? this.slots[number % this.slots.length] : undefined
  }

  has(number: number): boolean {
    return this.get(number) !== undefined
  }

  set(number: number, value: Value): void {
    if (number < this.low) violated(`${number} was let go, or never held`)
    if (number - this.low >= this.slots.length) this.grow(number + 1 - this.low)
    const at = number % this.slots.length
    if (this.slots[at] === undefined) this.count += 1
    this.slots[at] = value
    if (number >= this.end) this.end = number + 1
  }

  /** Lets go of all numbers up to `floor`, and tells of the values. */
  dropTo(floor: number, dropped?: (value: Value) => void): void {
    const end = Math.min(this.end, floor + 1)
    for (let number = this.low; number < end; number++) {
      const at = number % this.slots.length
      const value = this.slots[at]
      if (value === undefined) continue
      this.slots[at] = undefined
      this.count -= 1
      dropped?.(value)
    }
    this.low = Math.max(this.low, floor + 1)
    this.end = Math.max(this.end, this.low)
  }

  /** In ascending order. */
  *[Symbol.iterator](): Generator<readonly [number, Value]> {
    for (let number = this.low; number < this.end; number++) {
      const value = this.get(number)
      if (value !== undefined) yield [number, value]
    }
  }

  private grow(span: number): void {
    let length = Math.max(slotsMin, this.slots.length)
    while (length < span) length *= 2
    const slots = new Array<Value | undefined>(length).fill(undefined)
    for (const [number, value] of this) slots[number % length] = value
    this.slots = slots
  }
}

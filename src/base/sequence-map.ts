/** Numbers that are further apart than this are held by a map. */
const spanMax = 8192
const slotsMin = 16
/** A ring becomes no longer than this for each value in it: two numbers with a gap between them take little memory. */
const slotsPerValueMax = 16

/**
 * Values by number, for numbers that mostly come close to each other and go again: a ring where they do, a map for the
 * others. A map alone is slow where what comes soon goes: V8 gives it a new table again and again, and a table that was
 * outlived keeps the next one alive, with all that it holds, until the whole heap is collected.
 */
export class SequenceMap<Value> {
  /** Holds the numbers in [low, end), number n at n modulo its length, a power of two. */
  private slots = new Array<Value | undefined>(slotsMin).fill(undefined)
  private low = 0
  private end = 0
  private near = 0
  private readonly far = new Map<number, Value>()

  get size(): number {
    return this.near + this.far.size
  }

  get(number: number): Value | undefined {
    const value = this.isNear(number) ? this.slots[number % this.slots.length] : undefined
    return value ?? this.far.get(number)
  }

  set(number: number, value: Value): void {
    if (this.far.has(number) || !this.reach(number)) {
      this.far.set(number, value)
      return
    }
    const at = number % this.slots.length
    if (this.slots[at] === undefined) this.near += 1
    this.slots[at] = value
  }

  /** True when the number was there. */
  delete(number: number): boolean {
    if (this.far.delete(number)) return true
    const at = number % this.slots.length
    if (!this.isNear(number) || this.slots[at] === undefined) return false
    this.slots[at] = undefined
    this.near -= 1
    // So that the span is that of the numbers that are there.
    while (this.low < this.end && this.slots[this.low % this.slots.length] === undefined) this.low += 1
    return true
  }

  /** In the order of their numbers, but for those that were far from the others when they came: they are last. */
  *values(): Generator<Value> {
    for (let number = this.low; number < this.end; number++) {
      const value = this.slots[number % this.slots.length]
      if (value !== undefined) yield value
    }
    yield* this.far.values()
  }

  private isNear(number: number): boolean {
    return number >= this.low && number < this.end
  }

  /** Extends the ring to the number; false where it would become too long. */
  private reach(number: number): boolean {
    const low = this.near === 0 ? number : Math.min(this.low, number)
    const end = this.near === 0 ? number + 1 : Math.max(this.end, number + 1)
    const span = end - low
    if (span > this.slots.length) {
      if (span > Math.min(spanMax, slotsPerValueMax * (this.near + 1))) return false
      this.grow(span)
    }
    this.low = low
    this.end = end
    return true
  }

  private grow(span: number): void {
    let { length } = this.slots
    while (length < span) length *= 2
    const slots = new Array<Value | undefined>(length).fill(undefined)
    for (let number = this.low; number < this.end; number++) {
      slots[number % length] = this.slots[number % this.slots.length]
    }
    this.slots = slots
  }
}

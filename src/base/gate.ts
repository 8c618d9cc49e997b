/** How far a queue that was full has to empty before it takes more. */
const releaseShare = 0.7

/**
 * The entrance of a bounded queue. Once shut it stays shut until the queue has drained to 70 %: at the very bound
 * everyone would be let in and turned away by turns, and nobody would get through whole.
 */
export class Gate {
  readonly max: number
  private isShut = false

  constructor(max: number) {
    this.max = max
  }

  /** Whether `amount` may come on top of what waits. Into an empty queue anything may. */
  admits(amount: number, waiting: number): boolean {
    if (this.isShut) this.isShut = waiting > releaseShare * this.max
    if (!this.isShut) this.isShut = waiting > 0 && waiting + amount > this.max
    return !this.isShut
  }
}

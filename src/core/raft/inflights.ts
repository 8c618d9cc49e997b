import { assert } from '../../base/assert.ts'
import type { Index } from '../types.ts'

/**
 * The MsgApp that were sent to one follower and not yet acknowledged: a sliding window, bounded by count and
 * bytes. A ring of two parallel arrays that grows to the window's size only when it is used.
 */
export class Inflights {
  private readonly messagesMax: number
  private readonly bytesMax: number
  /** The index of the last entry of each message, ascending from `start`. */
  private indexes: Index[] = []
  private sizes: number[] = []
  private start = 0
  private messages = 0
  private bytes = 0

  constructor(messagesMax: number, bytesMax: number) {
    this.messagesMax = messagesMax
    this.bytesMax = bytesMax
  }

  get count(): number {
    return this.messages
  }

  /** The byte limit may be passed by one message, so that no message is too large to be sent at all. */
  isFull(): boolean {
    return this.messages >= this.messagesMax || this.bytes >= this.bytesMax
  }

  add(lastIndex: Index, bytes: number): void {
    assert(!this.isFull(), 'the inflight window is full')
    if (this.messages === this.indexes.length) this.grow()
    const at = (this.start + this.messages) % this.indexes.length
    this.indexes[at] = lastIndex
    this.sizes[at] = bytes
    this.messages++
    this.bytes += bytes
  }

  /** Frees every message whose last entry is acknowledged by `index`. */
  freeTo(index: Index): void {
    while (this.messages > 0 && (this.indexes[this.start] as Index) <= index) {
      this.bytes -= this.sizes[this.start] as number
      this.start = (this.start + 1) % this.indexes.length
      this.messages--
    }
  }

  clear(): void {
    this.start = 0
    this.messages = 0
    this.bytes = 0
  }

  private grow(): void {
    const size = Math.min(Math.max(4, this.indexes.length * 2), this.messagesMax)
    const indexes = new Array<Index>(size).fill(0)
    const sizes = new Array<number>(size).fill(0)
    for (let i = 0; i < this.messages; i++) {
      const at = (this.start + i) % this.indexes.length
      indexes[i] = this.indexes[at] as Index
      sizes[i] = this.sizes[at] as number
    }
    this.indexes = indexes
    this.sizes = sizes
    this.start = 0
  }
}

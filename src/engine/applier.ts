import { assert } from '../base/assert.ts'
import type { Clock } from '../clock/clock.ts'
import type { Machine } from '../core/machine/machine.ts'
import type { Message } from '../core/raft/message.ts'
import type { Entry } from '../core/raft/types.ts'
import type { Index } from '../core/types.ts'

/** Between two looks at the clock: a look costs about as much as an entry. */
const entriesPerLook = 32

/**
 * Entries of a slice that somebody here waits for. Whoever is answered writes on, and the next writes of all who were
 * answered together are a batch: halves of a large one overlap on their way to disks and peers. Pieces much smaller
 * than this cost more than that gains.
 */
const awaitedEntriesMax = 128

interface Slice {
  readonly responses: readonly Message[]
  readonly isPaused: boolean
}

/**
 * Applies committed entries in order, in slices that leave room for everything else on the thread.
 *
 * Invariant: entries are applied to the machine that stands when they are; a snapshot is installed only when nothing
 * that was queued before it is left (mutant M83). Where an entry cannot be applied, those behind it wait with it.
 */
export class Applier {
  machine: Machine
  /** Payload applied since the last snapshot; the owner sets it back. */
  bytesApplied = 0
  /** Payload that came into the log and is not applied. What is overwritten there counts until all is applied. */
  bytesWaiting = 0
  private lastWaiting: Index = 0
  /** False: the entry cannot be applied now. */
  private readonly apply: (machine: Machine, entry: Entry) => boolean
  private readonly sliceMs: number
  private readonly clock: Clock
  private queue: Message[] = []
  private position = 0
  private isBlocked = false
  /** Entries that the present slice may still take. */
  private left = 0

  constructor(
    machine: Machine,
    options: {
      readonly apply: (machine: Machine, entry: Entry) => boolean
      readonly sliceMs: number
      readonly clock: Clock
    },
  ) {
    this.machine = machine
    this.apply = options.apply
    this.sliceMs = options.sliceMs
    this.clock = options.clock
  }

  /** Entries came into the log: some day they are to be applied. */
  expect(entries: readonly Entry[]): void {
    for (const { data } of entries) this.bytesWaiting += data.length
    this.lastWaiting = entries.at(-1)?.index ?? this.lastWaiting
  }

  /** Queues the entries of a MsgStorageApply. */
  add(message: Message): void {
    this.queue.push(message)
  }

  /**
   * Applies for at most a slice, a smaller one where somebody here waits for what is applied. `responses` tells Raft
   * what is done; paused: there is more to do in another turn.
   */
  run(isAwaited: boolean, sliceMs = this.sliceMs): Slice {
    if (this.queue.length === 0 || this.isBlocked) return { responses: [], isPaused: false }
    const end = this.clock.now() + sliceMs
    this.left = isAwaited ? awaitedEntriesMax : Number.POSITIVE_INFINITY
    const responses: Message[] = []
    for (let isPaused = false; !isPaused; ) {
      const message = this.queue[0]
      if (message === undefined) return { responses, isPaused: false }
      isPaused = !this.finish(message, end)
      if (isPaused) break
      responses.push(...message.responses)
      this.queue.shift()
      this.position = 0
    }
    return { responses, isPaused: !this.isBlocked }
  }

  /** What could not be applied may be now. */
  resume(): void {
    this.isBlocked = false
  }

  /**
   * Applies all that is queued, however long it takes, because a snapshot that holds it all is about to take its place:
   * what cannot be applied is taken for applied.
   */
  drain(): readonly Message[] {
    const { responses } = this.run(false, Number.POSITIVE_INFINITY)
    const skipped = this.queue.flatMap(message => message.responses)
    this.queue = []
    this.position = 0
    this.isBlocked = false
    return [...responses, ...skipped]
  }

  /** Puts the state of a snapshot in the machine's place. Nothing may be queued. */
  replace(machine: Machine): void {
    assert(this.queue.length === 0, 'what lies before a snapshot is applied before it')
    this.machine = machine
    this.bytesApplied = 0
    this.bytesWaiting = 0
  }

  /** False when the slice is over before the message is. */
  private finish(message: Message, end: number): boolean {
    const { entries } = message
    for (; this.position < entries.length; this.position++) {
      if (this.left === 0) return false
      this.left -= 1
      if (this.position % entriesPerLook === entriesPerLook - 1 && this.clock.now() >= end) {
        // Past this look in the next slice, even where the slice is shorter than a single entry.
        if (!this.applyNext(entries)) return false
        this.position++
        return this.position >= entries.length
      }
      if (!this.applyNext(entries)) return false
    }
    return true
  }

  private applyNext(entries: readonly Entry[]): boolean {
    const entry = entries[this.position]
    assert(entry !== undefined, 'the position lies within the message')
    this.isBlocked = !this.apply(this.machine, entry)
    if (this.isBlocked) return false
    this.bytesApplied += entry.data.length
    this.bytesWaiting =
      entry.index >= this.lastWaiting ? 0 : Math.max(0, this.bytesWaiting - entry.data.length)
    return true
  }
}

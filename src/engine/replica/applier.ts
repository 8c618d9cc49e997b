import { assert } from '../../base/assert.ts'
import type { Clock } from '../../clock/clock.ts'
import type { Machine } from '../../core/machine/machine.ts'
import type { Entries } from '../../core/raft/entry-list.ts'
import { type EntryRun, startOf } from '../../core/raft/entry-run.ts'
import type { Message } from '../../core/raft/message.ts'
import type { Index } from '../../core/types.ts'

/** Between two looks at the clock: a look costs about as much as an entry. */
const entriesPerLook = 32

/**
 * Entries of a slice that somebody here waits for. Whoever is answered writes on, and the next writes of all who were
 * answered together are a batch: pieces of a large one overlap on their way to disks and peers. Smaller pieces than
 * this cost more than that gains (halves of it 8 % of the throughput, by twice as many writes and messages).
 */
const awaitedEntriesMax = 256

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
  private readonly apply: (machine: Machine, run: EntryRun, at: number) => boolean
  private readonly sliceMs: number
  private readonly clock: Clock
  private queue: Message[] = []
  /** How far the first message is applied: in which of its runs, and how much of that. */
  private runAt = 0
  private position = 0
  private sinceLook = 0
  private isBlocked = false
  /** Entries that the present slice may still take. */
  private left = 0

  constructor(
    machine: Machine,
    options: {
      /** Applies the entry at a position of a run. False: it cannot be applied now. */
      readonly apply: (machine: Machine, run: EntryRun, at: number) => boolean
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
  expect(entries: Entries): void {
    this.bytesWaiting += entries.bytes
    if (entries.length > 0) this.lastWaiting = entries.end - 1
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
      this.runAt = 0
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
    this.runAt = 0
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
    const { runs } = message.entries
    for (let run = runs[this.runAt]; run !== undefined; run = runs[++this.runAt]) {
      while (this.position < run.count) {
        if (this.left === 0) return false
        this.left -= 1
        this.sinceLook = (this.sinceLook + 1) % entriesPerLook
        const isOver = this.sinceLook === 0 && this.clock.now() >= end
        // Past this look in any case, even where the slice is shorter than a single entry.
        if (!this.applyNext(run, this.position)) return false
        this.position++
        if (isOver) return this.position === run.count && this.runAt === runs.length - 1
      }
      this.position = 0
    }
    return true
  }

  private applyNext(run: EntryRun, at: number): boolean {
    this.isBlocked = !this.apply(this.machine, run, at)
    if (this.isBlocked) return false
    const bytes = startOf(run, at + 1) - startOf(run, at)
    this.bytesApplied += bytes
    this.bytesWaiting = run.first + at >= this.lastWaiting ? 0 : Math.max(0, this.bytesWaiting - bytes)
    return true
  }
}

import { AssertionError } from '../../base/assert.ts'
import { Gate } from '../../base/gate.ts'
import { unwrittenBytesMax } from '../../core/limits.ts'
import { joined, noEntries } from '../../core/raft/entry-list.ts'
import type { GroupId } from '../../core/types.ts'
import type { GroupWrite, Storage, WriteBatch } from '../../storage/storage.ts'

/** What an entry takes beside its payload, roughly. */
const entryOverheadBytes = 64

interface Part {
  readonly group: GroupId
  readonly write: GroupWrite
  readonly bytes: number
  readonly done: () => void
}

/**
 * Group commit: whatever all groups of the host have to persist while one write is under way leaves together in the
 * next one. One write at a time, so a slow disk makes batches larger and not queues longer; completions come in order.
 */
export class Writer {
  readonly counted = { writes: 0 }
  private readonly storage: Storage
  private readonly failed: (error: unknown) => void
  private readonly hungTicks: number
  private readonly gate = new Gate(unwrittenBytesMax)
  private queue: Part[] = []
  /** Payload of the queue and of the write under way. */
  private bytes = 0
  private ticksOfWrite = 0
  private isWriting = false
  private isStopped = false

  /** A write that takes longer than `hungTicks` is taken for one that never ends. */
  constructor(storage: Storage, hungTicks: number, failed: (error: unknown) => void) {
    this.storage = storage
    this.hungTicks = hungTicks
    this.failed = failed
  }

  /** The disk hangs, as far as one can tell. Counted in ticks: a host that was suspended has not waited. */
  get isHung(): boolean {
    return this.ticksOfWrite > this.hungTicks
  }

  tick(): void {
    this.ticksOfWrite = this.isWriting ? this.ticksOfWrite + 1 : 0
  }

  /** Whether so much more may come. What must be written, a vote say, is taken all the same. */
  admits(bytes: number): boolean {
    return this.gate.admits(bytes, this.bytes)
  }

  /**
   * Queues a write of one group; `done` runs when it is durable, never inside this call. A write without content costs
   * nothing: it is done when everything before it is.
   */
  add(group: GroupId, write: GroupWrite, done: () => void): void {
    const bytes = heldBytes(write)
    this.bytes += bytes
    this.queue.push({ group, write, bytes, done })
  }

  /** Starts the next write if there is something to write and no write is under way. */
  flush(): void {
    if (this.isWriting || this.isStopped || this.queue.length === 0) return
    const { batch, parts, rest } = takeBatch(this.queue)
    this.queue = rest
    if (batch.groups.size === 0) {
      for (const part of parts) part.done()
      return this.flush()
    }
    this.isWriting = true
    this.counted.writes += 1
    this.storage
      .write(batch)
      .then(() => {
        this.isWriting = false
        this.ticksOfWrite = 0
        if (this.isStopped) return
        for (const part of parts) this.bytes -= part.bytes
        for (const part of parts) part.done()
        this.flush()
      })
      .catch(error => {
        // The disk's fault, or that of what was to happen next: either way nothing may be acknowledged any more.
        this.stop()
        this.failed(error)
        if (error instanceof AssertionError) throw error
      })
  }

  /** Nothing is written or reported any more. */
  stop(): void {
    this.isStopped = true
    this.queue = []
  }
}

/**
 * As much of the queue as can become durable at once. Two writes of one group are joined only where the later one just
 * appends behind the earlier one: a snapshot, a compaction or a truncation in between keeps its place in the order.
 */
function takeBatch(queue: readonly Part[]): { batch: WriteBatch; parts: Part[]; rest: Part[] } {
  const groups = new Map<GroupId, GroupWrite>()
  const parts: Part[] = []
  for (const [position, part] of queue.entries()) {
    if (isEmpty(part.write)) {
      parts.push(part)
      continue
    }
    const earlier = groups.get(part.group)
    const together = earlier === undefined ? part.write : join(earlier, part.write)
    if (together === undefined) return { batch: { groups }, parts, rest: queue.slice(position) }
    groups.set(part.group, together)
    parts.push(part)
  }
  return { batch: { groups }, parts, rest: [] }
}

function heldBytes({ entries = noEntries }: GroupWrite): number {
  return entries.bytes + entryOverheadBytes * entries.length
}

function isEmpty(write: GroupWrite): boolean {
  for (const _field in write) return false
  return true
}

function join(earlier: GroupWrite, later: GroupWrite): GroupWrite | undefined {
  if (later.snapshot !== undefined || later.compactTo !== undefined || later.bootstrap !== undefined)
    return undefined
  if (earlier.entries === undefined || later.entries === undefined) return { ...earlier, ...later }
  if (later.entries.first !== earlier.entries.end) return undefined
  return { ...earlier, ...later, entries: joined(earlier.entries, later.entries) }
}

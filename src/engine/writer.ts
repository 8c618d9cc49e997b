import { AssertionError } from '../base/assert.ts'
import type { GroupId } from '../core/types.ts'
import type { GroupWrite, Storage, WriteBatch } from '../storage/storage.ts'

interface Part {
  readonly group: GroupId
  readonly write: GroupWrite
  readonly done: () => void
}

/**
 * Group commit: whatever all groups of the host have to persist while one write is under way leaves together in the
 * next one. One write at a time, so a slow disk makes batches larger and not queues longer; completions come in order.
 */
export class Writer {
  private readonly storage: Storage
  private readonly failed: (error: unknown) => void
  private queue: Part[] = []
  private isWriting = false
  private isStopped = false

  constructor(storage: Storage, failed: (error: unknown) => void) {
    this.storage = storage
    this.failed = failed
  }

  /**
   * Queues a write of one group; `done` runs when it is durable, never inside this call. A write without content costs
   * nothing: it is done when everything before it is.
   */
  add(group: GroupId, write: GroupWrite, done: () => void): void {
    this.queue.push({ group, write, done })
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
    this.storage
      .write(batch)
      .then(() => {
        this.isWriting = false
        if (this.isStopped) return
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
    const joined = earlier === undefined ? part.write : join(earlier, part.write)
    if (joined === undefined) return { batch: { groups }, parts, rest: queue.slice(position) }
    groups.set(part.group, joined)
    parts.push(part)
  }
  return { batch: { groups }, parts, rest: [] }
}

function isEmpty(write: GroupWrite): boolean {
  for (const _field in write) return false
  return true
}

function join(earlier: GroupWrite, later: GroupWrite): GroupWrite | undefined {
  if (later.snapshot !== undefined || later.compactTo !== undefined || later.bootstrap !== undefined)
    return undefined
  const last = earlier.entries?.at(-1)
  const next = later.entries?.[0]
  if (last !== undefined && next !== undefined && next.index !== last.index + 1) return undefined
  const entries = [...(earlier.entries ?? []), ...(later.entries ?? [])]
  return { ...earlier, ...later, ...(entries.length > 0 ? { entries } : {}) }
}

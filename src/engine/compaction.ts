import { trailingBytesMax } from '../core/limits.ts'
import type { MemoryLog } from '../core/raft/memory-log.ts'
import type { Index } from '../core/types.ts'

/**
 * Up to where the log is forgotten when a snapshot stands in for it. What lies right behind the snapshot stays for
 * slow followers, within a number of entries and of bytes.
 */
export function compactionIndex(log: MemoryLog, snapshotIndex: Index, trailingEntries: number): Index {
  const first = Math.max(log.firstIndex(), snapshotIndex - trailingEntries + 1)
  const trailing = log.entries(first, snapshotIndex + 1, Number.POSITIVE_INFINITY)
  if (typeof trailing === 'string') return first - 1
  let bytes = 0
  for (let i = trailing.length - 1; i >= 0; i--) {
    bytes += trailing[i]?.data.length ?? 0
    if (bytes > trailingBytesMax) return first + i
  }
  return first - 1
}

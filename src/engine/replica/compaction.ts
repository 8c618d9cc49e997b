import { trailingBytesMax } from '../../core/limits.ts'
import type { MemoryLog } from '../../core/raft/memory-log.ts'
import type { ReplicaProgress } from '../../core/raft/raft-node.ts'
import type { Index } from '../../core/types.ts'
import type { EngineOptions } from '../parts.ts'
import type { AppliedState } from './applied-state.ts'

/**
 * Up to where the log is forgotten when a snapshot stands in for it. What lies right behind the snapshot stays for
 * slow followers, within a number of entries and of bytes; and what a follower that can be heard is about to need
 * stays within `heldBytesMax`, or a busy group would send it one snapshot after the other (mutant M81).
 */
export function compactionIndex(
  log: MemoryLog,
  snapshotIndex: Index,
  keep: {
    /** What lies up to there goes in any case, as far as the snapshot allows. */
    readonly notBefore: Index
    readonly trailingEntries: number
    readonly neededFrom: Index
    readonly heldBytesMax: number
  },
): Index {
  const first = Math.max(
    log.firstIndex(),
    Math.min(snapshotIndex, keep.notBefore) + 1,
    Math.min(snapshotIndex - keep.trailingEntries + 1, keep.neededFrom),
  )
  let bytes = 0
  for (let index = snapshotIndex; index >= first; index--) {
    bytes += log.dataBytes(index)
    const isTrailing = bytes <= trailingBytesMax && snapshotIndex - index < keep.trailingEntries
    const isNeeded = bytes <= keep.heldBytesMax && index >= keep.neededFrom
    if (!isTrailing && !isNeeded) return index
  }
  return first - 1
}

/** The first entry that a follower who can be heard has not acknowledged; infinite where there is none. */
export function neededFrom(self: number, progress: readonly ReplicaProgress[]): Index {
  let needed = Number.POSITIVE_INFINITY
  for (const { id, state, match, pendingSnapshot, recentActive } of progress) {
    // Where a follower is only being felt for, nothing is known of what it needs.
    if (id === self || !recentActive || state === 'probe') continue
    needed = Math.min(needed, (state === 'snapshot' ? pendingSnapshot : match) + 1)
  }
  return needed
}

/**
 * Whether so much was applied since the snapshot at `latest` that it is time for another one. It is where an entry did
 * not do the same on every replica: whoever is right must not apply it again after a start, nor have others do so.
 */
export function isSnapshotDue(
  options: Pick<EngineOptions, 'snapshotEntriesEvery' | 'snapshotBytesEvery'>,
  { machine, applier, diverged }: Pick<AppliedState, 'machine' | 'applier' | 'diverged'>,
  latest: Index,
): boolean {
  if (diverged?.isQuarantined === false && latest < diverged.revision) return true
  if (machine.appliedIndex - latest >= options.snapshotEntriesEvery) return true
  return applier.bytesApplied >= options.snapshotBytesEvery
}

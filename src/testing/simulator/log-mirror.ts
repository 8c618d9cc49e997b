import type { HardState } from '../../core/raft/types.ts'
import type { Index, ReplicaId, Term } from '../../core/types.ts'
import { decodeBootstrap } from '../../engine/replica/bootstrap.ts'
import type { GroupWrite, StoredGroup } from '../../storage/storage.ts'

/**
 * What one replica has given to its disk, as far as the rules speak of it: hard state, and the term of each entry. It
 * is kept apart from the storage under examination, and stays behind when the disk is wiped.
 */
export class LogMirror {
  replica: ReplicaId = 0
  hardState: HardState = { term: 0, vote: 0, commit: 0 }
  /** The last index of the log, or that of the snapshot where nothing follows it. */
  last: Index = 0
  snapshotIndex: Index = 0
  /** Terms by index; what a snapshot stands for has none. */
  private terms: (Term | undefined)[] = [0]

  termAt(index: Index): Term | undefined {
    return index <= this.last ? this.terms[index] : undefined
  }

  /** Whether the replica would come back with this entry, or with a snapshot that stands for it. */
  holds(index: Index, term: Term): boolean {
    return index <= this.snapshotIndex || this.termAt(index) === term
  }

  write(write: GroupWrite): void {
    if (write.bootstrap !== undefined) this.replica = decodeBootstrap(write.bootstrap).replica
    const { snapshot, entries } = write
    if (snapshot !== undefined) {
      if (this.termAt(snapshot.index) !== snapshot.term) this.last = snapshot.index
      this.terms[snapshot.index] = snapshot.term
      this.snapshotIndex = snapshot.index
    }
    for (const entry of entries ?? []) {
      this.terms[entry.index] = entry.term
      this.last = entry.index
    }
    if (write.hardState !== undefined) this.hardState = write.hardState
  }

  /** Starts anew from what a disk gave back. */
  load({ hardState, snapshot, entries, bootstrap }: StoredGroup): void {
    if (bootstrap !== undefined) this.replica = decodeBootstrap(bootstrap).replica
    this.hardState = hardState
    this.snapshotIndex = snapshot?.index ?? 0
    this.terms = [0]
    this.last = this.snapshotIndex
    if (snapshot !== undefined) this.terms[snapshot.index] = snapshot.term
    for (const entry of entries) this.terms[entry.index] = entry.term
    const end = entries.at(-1)?.index ?? 0
    this.last = Math.max(this.last, end)
  }
}

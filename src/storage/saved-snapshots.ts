import { assert } from '../base/assert.ts'
import { QuorateError } from '../core/error.ts'
import type { Snapshot } from '../core/raft/types.ts'
import type { GroupId } from '../core/types.ts'

interface Saved {
  readonly snapshot: Snapshot
  readonly id: number
}

/**
 * Which saved snapshots there are, by the numbers under which an adapter stores them: of each group at most
 * one that a write has named, and some that none has named yet. Methods that make some obsolete return the
 * numbers of those.
 */
export class SavedSnapshots {
  private readonly named = new Map<GroupId, Saved>()
  private readonly unnamed = new Map<GroupId, readonly Saved[]>()

  /** One that was saved just now. It replaces one of the same index and term that nobody has named. */
  add(group: GroupId, snapshot: Snapshot, id: number): number[] {
    const before = this.unnamed.get(group) ?? []
    this.unnamed.set(group, [...before.filter(saved => !isSame(saved.snapshot, snapshot)), { snapshot, id }])
    return before.filter(saved => isSame(saved.snapshot, snapshot)).map(saved => saved.id)
  }

  /** The one that a write with this snapshot would name. */
  id(group: GroupId, snapshot: Snapshot): number {
    const named = this.named.get(group)
    const candidates = [...(named === undefined ? [] : [named]), ...(this.unnamed.get(group) ?? [])]
    const saved = candidates.reverse().find(candidate => isSame(candidate.snapshot, snapshot))
    assert(saved !== undefined, 'a snapshot is saved before a write names it')
    return saved.id
  }

  /**
   * The group stands on this one from now on. Older ones that nobody has named will not be named any more.
   */
  name(group: GroupId, snapshot: Snapshot, id: number): number[] {
    const before = this.named.get(group)
    const unnamed = this.unnamed.get(group) ?? []
    this.named.set(group, { snapshot, id })
    this.unnamed.set(
      group,
      unnamed.filter(saved => saved.snapshot.index > snapshot.index),
    )
    const obsolete = unnamed.filter(saved => saved.snapshot.index <= snapshot.index)
    if (before !== undefined) obsolete.push(before)
    return obsolete.map(saved => saved.id).filter(other => other !== id)
  }

  forget(group: GroupId): number[] {
    const all = [this.named.get(group), ...(this.unnamed.get(group) ?? [])]
    this.named.delete(group)
    this.unnamed.delete(group)
    return all.flatMap(saved => saved?.id ?? [])
  }

  /** The number of the group's own snapshot. Throws COMPACTED when it is not the one that is asked for. */
  current(group: GroupId, snapshot: Snapshot): number {
    const named = this.named.get(group)
    if (named !== undefined && isSame(named.snapshot, snapshot)) return named.id
    const detail = { group, index: snapshot.index }
    throw new QuorateError('COMPACTED', 'the snapshot was replaced by another one', { detail })
  }
}

function isSame(left: Snapshot, right: Snapshot): boolean {
  return left.index === right.index && left.term === right.term
}

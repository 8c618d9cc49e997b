import { QuorateError } from '../../core/error.ts'
import { watchersMax } from '../../core/limits.ts'
import type { History } from '../../core/machine/history.ts'
import type { Change } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import { type Bounds, type KeyFilter, keyFilter } from '../query/key-filter.ts'

/** Where a watcher's changes go. Neither may throw. */
export interface ChangeSink {
  /**
   * Whole revisions, in order. The array is not its own: others were handed the same. `isPast`: they were there before
   * it was.
   */
  changes(changes: readonly Change[], isPast?: boolean): void
  /** Nothing comes any more: an error, or undefined after `stop`. */
  end(error: QuorateError | undefined): void
}

/** A watch that is under way. */
export interface Feed {
  /** Every change up to there was told; 0 while nobody knows. */
  readonly revision: Revision
  /** Whether news of the group reach the source of it, as far as that can be known. */
  readonly isConnected: boolean
  stop(): void
}

interface Watcher {
  /** Told of nothing before that. */
  readonly from: Revision
  readonly sink: ChangeSink
  readonly group: WatcherGroup
}

/** All that watch the same range: they are found, and what concerns them is picked, once. */
interface WatcherGroup {
  readonly filter: KeyFilter
  readonly watchers: Set<Watcher>
  /** Where it is found, and under which name. */
  readonly index: Map<string, WatcherGroup>
  readonly name: string
}

/**
 * The watchers of one replica. A watcher is told of every change from its first revision on, in order, each once, and
 * of all changes of one revision together: the past comes out of the history in the same step in which it is
 * registered, so nothing falls between (mutant M133).
 *
 * A change finds its watchers by its key and by its beginnings, of the lengths that are watched: who watches something
 * else costs it nothing. Ranges, which are few, are asked one by one.
 */
export class Watchers {
  /** Every watcher was told of all up to there. */
  told: Revision = 0
  private readonly watchers = new Set<Watcher>()
  private readonly byKey = new Map<string, WatcherGroup>()
  private readonly byRange = new Map<string, WatcherGroup>()
  /** By the length of the prefix. */
  private readonly byPrefix = new Map<number, Map<string, WatcherGroup>>()

  get size(): number {
    return this.watchers.size
  }

  /**
   * Registers a watcher. Throws COMPACTED where the history from `from` is gone, SYSTEM_BUSY at `watchersMax`.
   * Returns how to stop it.
   */
  add(history: History, bounds: Bounds, from: Revision, sink: ChangeSink): () => void {
    if (this.watchers.size >= watchersMax) {
      throw new QuorateError('SYSTEM_BUSY', `a store has at most ${watchersMax} watchers on a host`, {
        retryable: true,
      })
    }
    const past = history.since(from - 1)
    if (past === 'compacted') throw compacted(from, history.floor)
    const isWatched = keyFilter(bounds)
    const matching = past.filter(({ key }) => isWatched(key))
    // Not registered yet: of a watcher whose past cannot be told nothing is left.
    if (matching.length > 0) sink.changes(matching, true)
    const group = this.groupOf(bounds)
    // Who is added while the others are told of a revision has it from the history, and not once more.
    const watcher = { from: Math.max(from, (past.at(-1)?.revision ?? 0) + 1), sink, group }
    this.watchers.add(watcher)
    group.watchers.add(watcher)
    return () => {
      if (this.remove(watcher)) sink.end(undefined)
    }
  }

  /** What one entry changed. */
  notify(changes: readonly Change[]): void {
    if (this.watchers.size === 0) return
    const matching = new Map<WatcherGroup, Change[]>()
    for (const change of changes) {
      for (const group of this.groupsFor(change.key)) {
        const own = matching.get(group)
        if (own === undefined) matching.set(group, [change])
        else own.push(change)
      }
    }
    for (const [{ watchers }, own] of matching) {
      const revision = own[0]?.revision ?? 0
      for (const { from, sink } of watchers) if (from <= revision) sink.changes(own)
    }
  }

  /** A snapshot replaced the state: what happened in between cannot be told. */
  reset(floor: Revision): void {
    for (const watcher of this.watchers) {
      if (watcher.from > floor) continue
      this.remove(watcher)
      watcher.sink.end(compacted(watcher.from, floor))
    }
  }

  close(error: QuorateError): void {
    for (const watcher of this.watchers) {
      this.remove(watcher)
      watcher.sink.end(error)
    }
  }

  private remove(watcher: Watcher): boolean {
    const { group } = watcher
    group.watchers.delete(watcher)
    if (group.watchers.size === 0) {
      group.index.delete(group.name)
      if (group.index.size === 0 && this.byPrefix.get(group.name.length) === group.index)
        this.byPrefix.delete(group.name.length)
    }
    return this.watchers.delete(watcher)
  }

  private groupOf(bounds: Bounds): WatcherGroup {
    const { key, prefix } = bounds
    const index =
      key !== undefined ? this.byKey : prefix === undefined ? this.byRange : this.prefixesOf(prefix)
    const name = key ?? prefix ?? JSON.stringify(bounds)
    const known = index.get(name)
    if (known !== undefined) return known
    const group = { filter: keyFilter(bounds), watchers: new Set<Watcher>(), index, name }
    index.set(name, group)
    return group
  }

  private prefixesOf({ length }: string): Map<string, WatcherGroup> {
    const index = this.byPrefix.get(length) ?? new Map<string, WatcherGroup>()
    this.byPrefix.set(length, index)
    return index
  }

  private groupsFor(key: string): readonly WatcherGroup[] {
    const groups: WatcherGroup[] = []
    const add = (group: WatcherGroup | undefined) => {
      if (group !== undefined) groups.push(group)
    }
    add(this.byKey.get(key))
    for (const [length, index] of this.byPrefix)
      if (length <= key.length) add(index.get(key.slice(0, length)))
    for (const group of this.byRange.values()) if (group.filter(key)) add(group)
    return groups
  }
}

/** The error of who wants to hear of what is forgotten. */
export function compacted(from: Revision, floor: Revision): QuorateError {
  const message = `changes before revision ${floor + 1} are gone; read the present state and watch from there`
  return new QuorateError('COMPACTED', message, { detail: { from, floor } })
}

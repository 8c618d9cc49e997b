import { Queue } from '../base/queue.ts'
import { QuorateError } from '../core/error.ts'
import { watchBufferBytesMax, watchBufferEventsMax, watchersMax } from '../core/limits.ts'
import type { History } from '../core/machine/history.ts'
import type { Change } from '../core/machine/item.ts'
import type { Revision } from '../core/types.ts'
import type { KeyFilter } from './key-filter.ts'

/** Where a watcher's changes go. Neither may throw. */
export interface ChangeSink {
  changes(changes: readonly Change[]): void
  /** Nothing comes any more: an error, or undefined after `stop`. */
  end(error: QuorateError | undefined): void
}

interface Watcher {
  readonly filter: KeyFilter
  readonly from: Revision
  readonly sink: ChangeSink
}

/**
 * The watchers of one replica. A watcher is told of every change from its first revision on, in order, each once: the
 * past comes out of the history in the same step in which it is registered, so nothing falls between (mutant M133).
 */
export class Watchers {
  private readonly watchers = new Set<Watcher>()

  /**
   * Registers a watcher. Throws COMPACTED where the history from `from` is gone, SYSTEM_BUSY at `watchersMax`.
   * Returns how to stop it.
   */
  add(history: History, filter: KeyFilter, from: Revision, sink: ChangeSink): () => void {
    if (this.watchers.size >= watchersMax) {
      throw new QuorateError('SYSTEM_BUSY', `a store has at most ${watchersMax} watchers on a host`, {
        retryable: true,
      })
    }
    const past = history.since(from - 1)
    if (past === 'compacted') throw compacted(from, history.floor)
    const watcher = { filter, from, sink }
    this.watchers.add(watcher)
    const matching = past.filter(change => filter(change.key))
    if (matching.length > 0) sink.changes(matching)
    return () => {
      if (this.watchers.delete(watcher)) sink.end(undefined)
    }
  }

  notify(changes: readonly Change[]): void {
    for (const watcher of this.watchers) {
      const matching = changes.filter(change => change.revision >= watcher.from && watcher.filter(change.key))
      if (matching.length > 0) watcher.sink.changes(matching)
    }
  }

  /** A snapshot replaced the state: what happened in between cannot be told. */
  reset(floor: Revision): void {
    for (const watcher of this.watchers) {
      if (watcher.from > floor) continue
      this.watchers.delete(watcher)
      watcher.sink.end(compacted(watcher.from, floor))
    }
  }

  close(error: QuorateError): void {
    for (const watcher of this.watchers) watcher.sink.end(error)
    this.watchers.clear()
  }
}

interface Reader<Event> {
  readonly resolve: (result: IteratorResult<Event, undefined>) => void
  readonly reject: (error: unknown) => void
}

/** A bounded buffer between a watcher and the loop that reads it. A reader that lags behind is told, never skipped. */
export class ChangeBuffer<Event> {
  private readonly events = new Queue<{ readonly event: Event; readonly bytes: number }>()
  private eventsMax = watchBufferEventsMax
  private bytes = 0
  private readers: Reader<Event>[] = []
  private ended: { readonly error: unknown } | undefined
  private readonly stop: () => void

  /** `stop` is called once, when the reader ends or cannot be kept up with. */
  constructor(stop: () => void) {
    this.stop = stop
  }

  /** `bytes` is about what the event keeps in memory. */
  push(event: Event, bytes: number): void {
    if (this.ended !== undefined) return
    const reader = this.readers.shift()
    const hasRoom = this.events.length < this.eventsMax && this.bytes + bytes <= watchBufferBytesMax
    if (reader !== undefined) reader.resolve({ done: false, value: event })
    else if (hasRoom) {
      this.events.push({ event, bytes })
      this.bytes += bytes
    } else {
      const max = `${watchBufferEventsMax} events or ${watchBufferBytesMax} bytes`
      this.end(new QuorateError('SLOW_CONSUMER', `${max} wait to be read; watch again`))
      this.stop()
    }
  }

  /** The past, before the first reader comes: nobody can keep up with what happened already, so it does not count. */
  fill(events: readonly Event[]): void {
    for (const event of events) this.events.push({ event, bytes: 0 })
    this.eventsMax += events.length
  }

  /** What is buffered is still read; then the reader gets the error, or the end. */
  end(error: unknown): void {
    if (this.ended !== undefined) return
    this.ended = { error }
    for (const reader of this.readers) {
      if (error === undefined) reader.resolve({ done: true, value: undefined })
      else reader.reject(error)
    }
    this.readers = []
  }

  next(): Promise<IteratorResult<Event, undefined>> {
    const oldest = this.events.shift()
    if (oldest !== undefined) {
      this.bytes -= oldest.bytes
      return Promise.resolve({ done: false, value: oldest.event })
    }
    if (this.ended?.error !== undefined) {
      const { error } = this.ended
      this.ended = { error: undefined }
      return Promise.reject(error)
    }
    if (this.ended !== undefined) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.readers.push({ resolve, reject })
    })
  }
}

/** The error of who wants to hear of what is forgotten. */
export function compacted(from: Revision, floor: Revision): QuorateError {
  const message = `changes before revision ${floor + 1} are gone; read the present state and watch from there`
  return new QuorateError('COMPACTED', message, { detail: { from, floor } })
}

import { watch } from 'node:fs'
import { constants, PerformanceObserver } from 'node:perf_hooks'
import type { Store } from '../../src/node.ts'

/** Times in which no write was confirmed, in ms. */
export interface Pauses {
  /** The longest one of each snapshot, or of each time between two. */
  readonly longest: readonly number[]
  /** The longest of all in which the collector did not mark the heap besides. */
  readonly longestUnmarked: number
}

export interface PausesFound {
  readonly duringSnapshots: Pauses
  readonly between: Pauses
  /** How long each of the snapshots took, in ms. */
  readonly snapshots: readonly number[]
  /** Confirmed while a snapshot was under way. */
  readonly writesMeanwhile: number
  readonly writesPerSecond: number
  /** How often the collector marked the whole heap, as it does with and without snapshots. */
  readonly marks: number
}

/** An entry of the kind 'gc'. */
type Collection = ReturnType<PerformanceObserverEntryList['getEntries']>[number] & {
  readonly detail: { readonly kind: number }
}

interface Span {
  readonly start: number
  readonly end: number
}

const writers = 16
/** Compilers and the heap settle first. */
const warmUpMs = 5_000
const durationMs = 30_000
/** Waits that are kept: whatever is shorter is no pause. */
const waitMsMin = 1
/** A snapshot begins before its file is there, and what it replaces goes when the file has its name. */
const beforeMs = 50
const afterMs = 250

/** Writers that overwrite a large store, each one write after the other, so that it takes snapshots all the time. */
export async function findPauses(
  store: Store,
  folder: string,
  keyOf: (number: number) => string,
): Promise<PausesFound> {
  const snapshots = watchSnapshots(folder)
  const marks = watchMarks()
  const waits: Span[] = []
  const value = new Uint8Array(32).fill(119)
  const from = performance.now() + warmUpMs
  const until = from + durationMs
  let last = from
  let writes = 0
  let writesMeanwhile = 0
  const writer = async (first: number): Promise<void> => {
    for (let number = first; last < until; number += writers) {
      await store.put(keyOf(number), value)
      const now = performance.now()
      if (now < from) continue
      if (now - last > waitMsMin) waits.push({ start: last, end: now })
      last = now
      writes += 1
      if (snapshots.isUnderWay()) writesMeanwhile += 1
    }
  }
  await Promise.all(Array.from({ length: writers }, (_, first) => writer(first)))
  snapshots.close()
  marks.close()
  const during = snapshots.spans.filter(({ start, end }) => start > from && end < until)
  const between = during.slice(1).map(({ start }, at) => ({ start: during[at]?.end ?? start, end: start }))
  return {
    duringSnapshots: pausesIn(during, waits, marks.spans),
    between: pausesIn(
      between.filter(({ start, end }) => start < end),
      waits.filter(wait => !meets(wait, snapshots.spans)),
      marks.spans,
    ),
    snapshots: during.map(({ start, end }) => end - start - beforeMs - afterMs),
    writesMeanwhile,
    writesPerSecond: (writes * 1000) / (last - from),
    marks: marks.spans.filter(({ end }) => end > from).length,
  }
}

function pausesIn(times: readonly Span[], waits: readonly Span[], marks: readonly Span[]): Pauses {
  const longest = (spans: readonly Span[]): number =>
    Math.max(0, ...spans.map(({ start, end }) => end - start))
  return {
    longest: times.map(time => longest(waits.filter(wait => meets(wait, [time])))),
    longestUnmarked: longest(waits.filter(wait => meets(wait, times) && !meets(wait, marks))),
  }
}

function meets({ start, end }: Span, spans: readonly Span[]): boolean {
  return spans.some(span => span.start < end && start < span.end)
}

/** When snapshots were under way, as far as that shows: their file has another name until it is whole. */
function watchSnapshots(folder: string): { readonly spans: Span[]; isUnderWay(): boolean; close(): void } {
  const spans: Span[] = []
  let start: number | undefined
  const watcher = watch(folder, (_, file) => {
    if (file?.endsWith('.snap.tmp') && start === undefined) start = performance.now()
    if (!file?.endsWith('.snap') || start === undefined) return
    spans.push({ start: start - beforeMs, end: performance.now() + afterMs })
    start = undefined
  })
  return { spans, isUnderWay: () => start !== undefined, close: () => watcher.close() }
}

/** When the collector marked the heap, from its beginning to the collection of what was not marked. */
function watchMarks(): { readonly spans: Span[]; close(): void } {
  const spans: Span[] = []
  let start: number | undefined
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries() as Collection[]) {
      const { kind } = entry.detail
      if (kind === constants.NODE_PERFORMANCE_GC_INCREMENTAL) start = entry.startTime
      if (kind !== constants.NODE_PERFORMANCE_GC_MAJOR) continue
      const end = entry.startTime + entry.duration
      spans.push({ start: start ?? entry.startTime, end })
      start = undefined
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return { spans, close: () => observer.disconnect() }
}

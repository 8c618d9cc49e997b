import type { Entry } from './types.ts'

/** What term, index, type and lengths of an entry take on the wire, roughly: they are small numbers. */
const entryOverheadBytes = 8

/** Bytes that the entry takes on the wire and on disk, near enough to bound messages and batches. */
export function entryBytes(entry: Entry): number {
  return entryOverheadBytes + payloadBytes(entry)
}

/** Bytes that the proposer put into the entry. Zero for a no-op and for leaving a joint configuration. */
export function payloadBytes(entry: Entry): number {
  return entry.change === null ? entry.data.length : entry.data.length + entry.change.context.length
}

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += entryBytes(entry)
  return bytes
}

export function payloadsBytes(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += payloadBytes(entry)
  return bytes
}

/**
 * Copies entries[from, end) up to `bytesMax`, but at least one: an entry larger than the limit must still get
 * through, or replication would stop at it for ever.
 */
export function sliceWithin(entries: readonly Entry[], from: number, end: number, bytesMax: number): Entry[] {
  let bytes = 0
  let cut = from
  while (cut < end) {
    bytes += entryBytes(entries[cut] as Entry)
    if (bytes > bytesMax && cut > from) break
    cut++
  }
  return entries.slice(from, cut)
}

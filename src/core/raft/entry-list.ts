import type { Index, Term } from '../types.ts'
import { entryBytes, sliceWithin } from './entry-size.ts'
import type { Entry, EntryType } from './types.ts'

const blockEntries = 256

/** Of larger entries the objects around the data are no matter, and copying it would be. */
const blockBytesMax = 256 * 1024

/** What is about to be sent or applied stays as it is. */
const looseEntries = 2 * blockEntries

/** As many entries as a block has, of one type and term. */
interface Block {
  readonly term: Term
  readonly type: EntryType
  /** The data of all, one behind the other. */
  readonly bytes: Uint8Array
  /** Where the data of each ends. */
  readonly ends: Uint32Array
}

/**
 * Consecutive entries of a log, which may hold a million of them. Most are never read again, so all but the latest are
 * packed: two objects for each, the entry and the view of its data, take 170 bytes, and the collector copies every one
 * of them twice before it lets them be.
 */
export class EntryList {
  /** Index of the first entry, or of the one that comes first. */
  first: Index
  // Invariant: blocks hold `blockEntries` each, from `blocksFrom` on; then `loose`. What lies before `first` is dead.
  private blocks: (Block | readonly Entry[])[] = []
  private blocksFrom: Index
  private loose: Entry[] = []

  constructor(first: Index) {
    this.first = first
    this.blocksFrom = first
  }

  /** The index behind the last entry. */
  get end(): Index {
    return this.looseFrom + this.loose.length
  }

  private get looseFrom(): Index {
    return this.blocksFrom + this.blocks.length * blockEntries
  }

  push(entry: Entry): void {
    this.loose.push(entry)
    if (this.loose.length < looseEntries + blockEntries) return
    this.blocks.push(packed(this.loose.slice(0, blockEntries)))
    this.loose = this.loose.slice(blockEntries)
  }

  /** Undefined outside of the list. */
  term(index: Index): Term | undefined {
    if (index < this.first) return undefined
    if (index >= this.looseFrom) return this.loose[index - this.looseFrom]?.term
    const { block, at } = this.find(index)
    return isPacked(block) ? block.term : block[at]?.term
  }

  /** Length of the data of an entry in the list. */
  dataBytes(index: Index): number {
    if (index >= this.looseFrom) return this.loose[index - this.looseFrom]?.data.length ?? 0
    const { block, at } = this.find(index)
    return isPacked(block) ? (block.ends[at] ?? 0) - startOf(block, at) : (block[at]?.data.length ?? 0)
  }

  /** The entries of [from, end), which lies in the list; see `sliceWithin`. */
  slice(from: Index, end: Index, bytesMax: number): readonly Entry[] {
    const { looseFrom } = this
    if (from >= looseFrom) return sliceWithin(this.loose, from - looseFrom, end - looseFrom, bytesMax)
    const entries: Entry[] = []
    let bytes = 0
    for (let index = from; index < end; index++) {
      const entry = this.at(index)
      bytes += entryBytes(entry)
      if (bytes > bytesMax && index > from) break
      entries.push(entry)
    }
    return entries
  }

  /** Forgets the entries before `first`. */
  dropBefore(first: Index): void {
    this.first = first
    const whole = Math.min(this.blocks.length, Math.floor((first - this.blocksFrom) / blockEntries))
    this.blocks = this.blocks.slice(whole)
    this.blocksFrom += whole * blockEntries
    if (this.blocks.length > 0) return
    this.loose = this.loose.slice(first - this.blocksFrom)
    this.blocksFrom = first
  }

  /** Forgets the entries from `end` on. */
  dropFrom(end: Index): void {
    while (end < this.looseFrom) {
      const { block } = this.find(this.looseFrom - 1)
      this.blocks.pop()
      this.loose = Array.from({ length: blockEntries }, (_, at) => entryOf(block, this.looseFrom, at))
    }
    this.loose.length = end - this.looseFrom
  }

  private at(index: Index): Entry {
    const { looseFrom } = this
    if (index >= looseFrom) return this.loose[index - looseFrom] as Entry
    const { block, at } = this.find(index)
    return entryOf(block, index - at, at)
  }

  private find(index: Index): { readonly block: Block | readonly Entry[]; readonly at: number } {
    const offset = index - this.blocksFrom
    const at = offset % blockEntries
    return { block: this.blocks[(offset - at) / blockEntries] as Block | readonly Entry[], at }
  }
}

/** The entries as a block, or as they are where they differ too much for one, or are large. */
function packed(entries: readonly Entry[]): Block | readonly Entry[] {
  const { term, type } = entries[0] as Entry
  const ends = new Uint32Array(entries.length)
  let length = 0
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry
    if (entry.term !== term || entry.type !== type || entry.change !== null) return entries
    length += entry.data.length
    ends[at] = length
  }
  if (length > blockBytesMax) return entries
  const block = { term, type, bytes: new Uint8Array(length), ends }
  for (let at = 0; at < entries.length; at++) block.bytes.set((entries[at] as Entry).data, startOf(block, at))
  return block
}

function isPacked(block: Block | readonly Entry[]): block is Block {
  return 'ends' in block
}

function startOf({ ends }: Block, at: number): number {
  return at === 0 ? 0 : (ends[at - 1] as number)
}

function entryOf(block: Block | readonly Entry[], first: Index, at: number): Entry {
  if (!isPacked(block)) return block[at] as Entry
  const { term, type, bytes, ends } = block
  return { term, index: first + at, type, data: bytes.subarray(startOf(block, at), ends[at]), change: null }
}

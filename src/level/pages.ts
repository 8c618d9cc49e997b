import type { StoreView } from '../engine/transactions/store-view.ts'
import type { CallOptions, StoreEntry } from '../engine/types.ts'
import { type Bound, type ByteRange, isWithin, keyRange } from './byte-range.ts'

interface PagesOptions {
  readonly range: ByteRange
  readonly reverse: boolean
  /** Of a key in this table. */
  readonly keyCharactersMax: number
  readonly call: CallOptions
}

/** The entries of a range of one view, in order, as many at a time as are asked for. */
export class Pages {
  private readonly view: Promise<StoreView>
  private readonly options: PagesOptions
  /** What was not read yet; undefined where that is nothing. */
  private rest: ByteRange | undefined

  constructor(view: Promise<StoreView>, options: PagesOptions) {
    this.view = view
    this.options = options
    this.rest = options.range
  }

  /** The next ones, fewer than `size` only at the end. */
  async next(size: number): Promise<StoreEntry[]> {
    const { reverse, keyCharactersMax, call } = this.options
    const view = await this.view
    if (this.rest === undefined) return []
    const range = keyRange(this.rest, keyCharactersMax)
    const entries = await view.scan({ ...range, reverse, limit: size }, call)
    const last = entries.at(-1)
    if (last === undefined || entries.length < size) this.rest = undefined
    else this.goOn({ key: last.key, isOpen: true })
    return entries
  }

  /** Goes to a key, or to where it would be. Outside of the range there is nothing. */
  seek(key: string): void {
    if (isWithin(this.options.range, key)) this.goOn({ key, isOpen: false })
    else this.rest = undefined
  }

  private goOn(from: Bound): void {
    const { range, reverse } = this.options
    this.rest = { ...range, [reverse ? 'upper' : 'lower']: from }
  }
}

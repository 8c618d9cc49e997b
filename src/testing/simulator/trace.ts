/** One line of what happened in a simulation. */
export interface TraceRow {
  readonly ms: number
  readonly where: string
  readonly what: string
  readonly detail: string
}

/**
 * What happened, as a hash that tells two runs apart, and as rows for a person where they are wanted. A detail is a
 * function, so that nothing is put into words that nobody reads.
 */
export class Trace {
  readonly rows: TraceRow[] = []
  private readonly now: () => number
  private readonly keepsRows: boolean
  private readonly words = new Map<string, number>()
  private state = 0x811c9dc5

  constructor(options: { readonly now: () => number; readonly keepsRows: boolean }) {
    this.now = options.now
    this.keepsRows = options.keepsRows
  }

  /** Equal for equal runs, and for others once in four billion times. */
  get hash(): string {
    return (this.state >>> 0).toString(16).padStart(8, '0')
  }

  note(where: string, what: string, number = 0, detail: () => string = () => ''): void {
    const ms = this.now()
    this.mix(Math.round(ms * 1000) | 0)
    this.mix(this.wordOf(where))
    this.mix(this.wordOf(what))
    this.mix(number | 0)
    if (this.keepsRows) this.rows.push({ ms, where, what, detail: detail() })
  }

  private mix(number: number): void {
    const mixed = Math.imul(this.state ^ number, 0x9e3779b1)
    this.state = mixed ^ (mixed >>> 15)
  }

  private wordOf(word: string): number {
    let number = this.words.get(word)
    if (number === undefined) {
      number = 1
      for (let i = 0; i < word.length; i++) number = Math.imul(number, 31) + word.charCodeAt(i)
      this.words.set(word, number)
    }
    return number
  }
}

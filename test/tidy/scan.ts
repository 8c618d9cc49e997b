/**
 * TypeScript with everything blanked that is not code. Positions and line breaks stay, so that what is found in `code`
 * is where it was in the file; the quotes stay as well, to show where a string stood.
 */
export interface ScannedText {
  readonly text: string
  /** Comments and the insides of strings, templates and regular expressions are spaces. */
  readonly code: string
  /** The other way round: only comments are left. */
  readonly comments: string
}

/** Enough of a scanner for well-formed files: there is no compiler API to ask (TypeScript 7.0 has none). */
export function scan(text: string): ScannedText {
  return new Scanner(text).run()
}

/** Line number of a position, from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}

class Scanner {
  readonly #text: string
  readonly #code: string[]
  readonly #comments: string[]
  /** Open braces; 'template' for a `${`, whose closing brace leads back into the template. */
  readonly #braces: ('block' | 'template')[] = []
  #position = 0

  constructor(text: string) {
    this.#text = text
    this.#code = Array.from(text.replace(/[^\n]/g, ' '))
    this.#comments = [...this.#code]
  }

  run(): ScannedText {
    if (this.#text.startsWith('#!')) this.#comment(this.#lineEnd())
    while (this.#position < this.#text.length) this.#step()
    return { text: this.#text, code: this.#code.join(''), comments: this.#comments.join('') }
  }

  #step(): void {
    const character = this.#at(0)
    const pair = character + this.#at(1)
    if (pair === '//') this.#comment(this.#lineEnd())
    else if (pair === '/*') this.#comment(this.#after('*/'))
    else if (character === "'" || character === '"') this.#string(character)
    else if (character === '`') this.#template()
    else if (character === '/' && this.#startsRegularExpression()) this.#regularExpression()
    else if (character === '}' && this.#braces.pop() === 'template') this.#template()
    else {
      if (character === '{') this.#braces.push('block')
      this.#keep(1)
    }
  }

  #string(quote: string): void {
    this.#keep(1)
    while (this.#at(0) !== quote && this.#position < this.#text.length) this.#skip()
    this.#keep(1)
  }

  /** From a backtick or the closing brace of a `${…}` to the next backtick or `${`. */
  #template(): void {
    this.#keep(1)
    while (this.#at(0) !== '`' && this.#position < this.#text.length) {
      if (this.#at(0) === '$' && this.#at(1) === '{') {
        this.#braces.push('template')
        this.#keep(2)
        return
      }
      this.#skip()
    }
    this.#keep(1)
  }

  #regularExpression(): void {
    this.#keep(1)
    let inClass = false
    while ((this.#at(0) !== '/' || inClass) && this.#position < this.#text.length) {
      if (this.#at(0) === '[') inClass = true
      if (this.#at(0) === ']') inClass = false
      this.#skip()
    }
    this.#keep(1)
  }

  /** A slash divides after a value, and opens a regular expression anywhere else. */
  #startsRegularExpression(): boolean {
    const before = this.#code
      .slice(Math.max(0, this.#position - 40), this.#position)
      .join('')
      .trimEnd()
    if (before === '' || before.endsWith('++') || before.endsWith('--')) return before === ''
    const word = /[\w$]+$/.exec(before)?.[0]
    if (word !== undefined) return wordsBeforeExpressions.has(word)
    return !/[)\]'"`]$/.test(before)
  }

  /** Leaves one character out, or an escape as a whole. */
  #skip(): void {
    this.#position += this.#at(0) === '\\' ? 2 : 1
  }

  #keep(length: number): void {
    for (let i = 0; i < length; i++) this.#code[this.#position + i] = this.#at(i)
    this.#position += length
  }

  #comment(end: number): void {
    for (; this.#position < end; this.#position++) this.#comments[this.#position] = this.#at(0)
  }

  #at(offset: number): string {
    return this.#text.charAt(this.#position + offset)
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#position)
    return end < 0 ? this.#text.length : end
  }

  #after(mark: string): number {
    const start = this.#text.indexOf(mark, this.#position + 2)
    return start < 0 ? this.#text.length : start + mark.length
  }
}

const wordsBeforeExpressions = new Set(
  'return typeof case in of delete void throw new await yield else do instanceof'.split(' '),
)

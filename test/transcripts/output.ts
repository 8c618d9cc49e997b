const levels = ['debug', 'info', 'warn', 'error', 'fatal', 'none']

/** What a command prints. Nothing at all at log level "none". */
export class Output {
  text = ''
  level = 0

  get isQuiet(): boolean {
    return this.level === levels.length - 1
  }

  clear(): void {
    this.text = ''
  }

  setLevel(name: string): void {
    const level = levels.indexOf(name.toLowerCase())
    if (level < 0) throw new Error(`log levels must be either of [${levels.join(' ').toUpperCase()}]`)
    this.level = level
  }

  write(text: string): void {
    if (!this.isQuiet) this.text += text
  }

  writeLine(text: string): void {
    this.write(`${text}\n`)
  }

  /** Indents what `perform` prints. */
  indent(perform: () => void): void {
    const before = this.text
    this.text = ''
    try {
      perform()
    } finally {
      const lines = this.text.split('\n')
      if (lines.at(-1) === '') lines.pop()
      this.text = before + lines.map(line => `  ${line}\n`).join('')
    }
  }
}

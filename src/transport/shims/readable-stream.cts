// Stands in for readable-stream when simple-peer is bundled for browsers (see build.mjs): 60 KB of streams of which
// simple-peer uses an event emitter and the methods below. What is left out is what this library never calls: pipes,
// what `write` returns, paused reading. Data is handed over at once, so listeners must be attached in the
// tick that makes the peer; what arrives without one is lost, not kept.

type Listener = (...values: unknown[]) => void
type Written = (error?: Error | null) => void

class Duplex {
  readonly #listeners = new Map<string, Listener[]>()
  /** Messages that were not taken yet, the first one being with simple-peer. */
  readonly #unwritten: { readonly message: unknown; readonly written: Written }[] = []
  /** simple-peer's own: takes one message, and calls back when its channel has room for the next. */
  declare _write: (message: unknown, encoding: string, written: Written) => void
  readonly _readableState = { ended: false }
  readonly _writableState = { finished: false }
  readable = true
  writable = true

  on(name: string, listener: Listener): this {
    // A new array on every change: an emit under way goes on over the old one, as Node's emitter does.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener])
    return this
  }

  once(name: string, listener: Listener): this {
    const wrapped: Listener = (...values) => {
      this.removeListener(name, wrapped)
      listener(...values)
    }
    return this.on(name, wrapped)
  }

  removeListener(name: string, listener: Listener): this {
    const rest = (this.#listeners.get(name) ?? []).filter(candidate => candidate !== listener)
    this.#listeners.set(name, rest)
    return this
  }

  off(name: string, listener: Listener): this {
    return this.removeListener(name, listener)
  }

  removeAllListeners(): this {
    this.#listeners.clear()
    return this
  }

  emit(name: string, ...values: unknown[]): boolean {
    const listeners = this.#listeners.get(name) ?? []
    // Node's contract: an error nobody listens to is thrown, so that it cannot go unseen.
    if (name === 'error' && listeners.length === 0) throw values[0]
    for (const listener of listeners) listener(...values)
    return listeners.length > 0
  }

  /** The readable side: simple-peer hands over each message, and null at the end. */
  push(data: unknown): boolean {
    if (data === null) {
      this._readableState.ended = true
      this.emit('end')
    } else {
      this.emit('data', data)
    }
    return true
  }

  /** The writable side, one message after the other. Calls back when this one was taken; never within this call. */
  write(message: unknown, written: Written = () => {}): boolean {
    this.#unwritten.push({ message, written })
    if (this.#unwritten.length === 1) this.#writeFirst()
    return true
  }

  /** simple-peer needs to hear that nothing more comes. */
  end(): this {
    if (!this._writableState.finished) {
      this._writableState.finished = true
      this.emit('finish')
    }
    return this
  }

  #writeFirst(): void {
    const [first] = this.#unwritten
    if (first === undefined) return
    this._write(first.message, '', error => {
      queueMicrotask(() => {
        this.#unwritten.shift()
        first.written(error)
        this.#writeFirst()
      })
    })
  }
}

export = { Duplex }

// Stands in for readable-stream when simple-peer is bundled for browsers (see build.mjs): 60 KB of streams of which
// simple-peer uses an event emitter and the two methods below. What is left out is what this library never calls:
// pipes, back-pressure of `write`, paused reading. Data is handed over at once, so listeners must be attached in the
// tick that makes the peer; what arrives without one is lost, not kept.

type Listener = (...values: unknown[]) => void

class Duplex {
  readonly #listeners = new Map<string, Listener[]>()
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

  /** The writable side: messages go by simple-peer's `send`, so there is nothing left to flush. */
  end(): this {
    if (!this._writableState.finished) {
      this._writableState.finished = true
      this.emit('finish')
    }
    return this
  }
}

export = { Duplex }

/** Stops a listener. Calling it twice is harmless. */
export type Unsubscribe = () => void

/**
 * Named events with typed payloads. Listeners run in the order they were added; a listener that throws does not
 * keep the others from running: its error goes to `onError`, so nothing is swallowed.
 */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(event: never) => void>>()
  private readonly onError: (error: unknown) => void

  constructor(onError: (error: unknown) => void) {
    this.onError = onError
  }

  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Unsubscribe {
    checkListener(listener)
    const own = (event: Events[Name]) => listener(event)
    let set = this.listeners.get(name)
    if (set === undefined) {
      set = new Set()
      this.listeners.set(name, set)
    }
    set.add(own as (event: never) => void)
    return () => this.listeners.get(name)?.delete(own as (event: never) => void)
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        ;(listener as (event: Events[Name]) => void)(event)
      } catch (error) {
        this.onError(error)
      }
    }
  }
}

export function checkListener(listener: unknown): void {
  if (typeof listener !== 'function') throw new TypeError('a listener is a function')
}

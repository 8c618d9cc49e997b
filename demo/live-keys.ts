import { QuorateError, type Table } from '../src/browser.ts'

/** A key as it is now, or as it was just deleted. */
export interface LiveKey {
  readonly key: string
  readonly value: unknown
  readonly revision: number
  readonly isDeleted: boolean
}

/**
 * All keys of a table, or of the store itself, kept current. The watch is opened before the scan, and of both the
 * higher revision counts: so nothing is missed in between, whichever answers first.
 */
export class LiveKeys {
  private readonly table: Table
  private readonly changed: (change: LiveKey | undefined) => void
  private readonly known = new Map<string, LiveKey>()
  /** Until the scan is in, deletions are remembered, so that it does not bring back what is gone. */
  private isScanned = false
  private readonly ended = new AbortController()

  /** `changed` hears of every change; of undefined when much may have changed at once. */
  constructor(table: Table, changed: (change: LiveKey | undefined) => void) {
    this.table = table
    this.changed = changed
  }

  get(key: string): LiveKey | undefined {
    const live = this.known.get(key)
    return live?.isDeleted === false ? live : undefined
  }

  /** In the order of the keys. */
  list(prefix: string): readonly LiveKey[] {
    const found = [...this.known.values()].filter(
      ({ key, isDeleted }) => !isDeleted && key.startsWith(prefix),
    )
    return found.sort((left, right) => (left.key < right.key ? -1 : 1))
  }

  /** Follows the store until `close`. Whatever ends a watch, the next one begins with a scan. */
  async follow(onError: (error: unknown) => void): Promise<void> {
    const { signal } = this.ended
    while (!signal.aborted) {
      try {
        await this.followOnce(signal)
      } catch (error) {
        if (signal.aborted || (error instanceof QuorateError && error.code === 'CLOSED')) return
        onError(error)
        await new Promise(resolve => setTimeout(resolve, 500))
      }
    }
  }

  close(): void {
    this.ended.abort()
  }

  private async followOnce(signal: AbortSignal): Promise<void> {
    this.isScanned = false
    const events = this.table.watch({ signal })
    const scanned = this.scan()
    // Its failure is met below; it must not count as unhandled while the loop runs.
    scanned.catch(() => events.close())
    for await (const { type, key, value, revision } of events) {
      this.apply({ key, value, revision, isDeleted: type === 'delete' })
    }
    await scanned
  }

  private async scan(): Promise<void> {
    const entries = await this.table.scan({}, { consistency: 'session' })
    const present = new Set(entries.map(({ key }) => key))
    const newest = entries.reduce((most, { modRevision }) => Math.max(most, modRevision), 0)
    for (const [key, { revision }] of this.known) {
      if (!present.has(key) && revision <= newest) this.known.delete(key)
    }
    for (const { key, value, modRevision } of entries) {
      if ((this.known.get(key)?.revision ?? 0) >= modRevision) continue
      this.known.set(key, { key, value, revision: modRevision, isDeleted: false })
    }
    for (const [key, { isDeleted }] of this.known) if (isDeleted) this.known.delete(key)
    this.isScanned = true
    this.changed(undefined)
  }

  private apply(change: LiveKey): void {
    if ((this.known.get(change.key)?.revision ?? 0) >= change.revision) return
    if (change.isDeleted && this.isScanned) this.known.delete(change.key)
    else this.known.set(change.key, change)
    this.changed(change)
  }
}

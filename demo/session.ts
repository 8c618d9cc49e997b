import type { Host, Store } from '../src/browser.ts'
import type { Latency } from './latency.ts'
import type { LiveKeys } from './live-keys.ts'

/** What the panels of the page share once it has joined. */
export interface Session {
  readonly host: Host
  readonly store: Store
  readonly keys: LiveKeys
  readonly latency: Latency
}

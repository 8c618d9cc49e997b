import { QuorateError } from '../../core/error.ts'
import type { Item } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import { type Call, startCall } from '../call.ts'
import type { LeaseKeeper } from '../lease-keeper.ts'
import type { StoreCalls } from '../store-calls.ts'
import type { CallOptions, KeyRange, ReadOptions, ScanRange } from '../types.ts'

/** What recipes stand on: the calls of a store, and its leases. */
export interface Means {
  readonly calls: StoreCalls
  readonly leases: LeaseKeeper
}

/** The call that has as much time as it wants where nothing else is said. */
export function startOf({ calls }: Means, options: CallOptions): Call {
  calls.check()
  return startCall(calls.clock, options, Number.POSITIVE_INFINITY)
}

/** For a step that takes no waiting for others: the host's own deadline holds where none was given. */
export function step({ calls }: Means, { deadlineMs }: CallOptions, call: Call): CallOptions {
  const { signal } = call
  return deadlineMs !== undefined ? rest(calls, call) : signal === undefined ? {} : { signal }
}

/** What is left for one step of a call. Throws TIMEOUT where nothing is. */
export function rest({ clock }: StoreCalls, { deadline, signal }: Call): CallOptions {
  const deadlineMs = deadline - clock.now()
  if (deadlineMs <= 0) throw timeout()
  return signal === undefined ? { deadlineMs } : { deadlineMs, signal }
}

export function timeout(cause?: unknown): QuorateError {
  return new QuorateError('TIMEOUT', 'its turn did not come before the deadline', { retryable: true, cause })
}

/** The items of a range of keys of the store, and the revision that they were read at. */
export async function scan(
  calls: StoreCalls,
  bounds: KeyRange,
  options: ReadOptions,
  { limit, reverse = false }: Pick<ScanRange, 'limit' | 'reverse'> = {},
): Promise<{ readonly items: readonly Item[]; readonly revision: Revision }> {
  const query = { type: 'scan', bounds, limit, reverse, after: undefined, isPage: false } as const
  const { items, revision } = await calls.read(query, options)
  return { items: items.filter(item => item !== null), revision }
}

import { isQuorateError, QuorateError } from '../../core/error.ts'
import type { Item } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import { type Call, startCall } from '../calls/call.ts'
import type { ScanQuery } from '../query/read-query.ts'
import type { LeaseKeeper } from '../store/lease-keeper.ts'
import type { StoreCalls } from '../store/store-calls.ts'
import type { CallOptions, KeyRange, ReadOptions, ScanRange } from '../types.ts'

/** What recipes stand on: the calls of a store, and its leases. */
export interface Means {
  readonly calls: StoreCalls
  readonly leases: LeaseKeeper
}

/** The call that has as much time as it wants where nothing else is said: each step of it is bounded by itself. */
export function startOf({ calls }: Means, options: CallOptions): Call {
  calls.check()
  return startCall(calls.clock, options, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
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

interface Scanned {
  readonly items: readonly Item[]
  readonly revision: Revision
}

/**
 * The items of a range of keys of the store, however large, and the revision that they were read at. What is more than
 * a page is read of a view.
 */
export async function scan(
  calls: StoreCalls,
  bounds: KeyRange,
  options: ReadOptions,
  { limit, reverse = false }: Pick<ScanRange, 'limit' | 'reverse'> = {},
): Promise<Scanned> {
  const call = calls.start(options)
  const query = { type: 'scan', bounds, limit, reverse, after: undefined, isPage: true } as const
  const { items, isWhole, revision } = await calls.read(query, options)
  if (isWhole) return { items: items.filter(item => item !== null), revision }
  for (;;) {
    try {
      return await scanView(calls, query, { ...options, ...rest(calls, call) }, call)
    } catch (error) {
      // Another gateway has the state, too.
      if (!isQuorateError(error, 'VIEW_EXPIRED')) throw error
    }
  }
}

async function scanView(
  calls: StoreCalls,
  first: ScanQuery,
  options: ReadOptions,
  call: Call,
): Promise<Scanned> {
  const reader = await calls.view(options)
  const all: Item[] = []
  try {
    for (let query = first; ; ) {
      const { items, isWhole } = await reader.read(query, call)
      for (const item of items) if (item !== null) all.push(item)
      const after = all.at(-1)?.key
      if (isWhole || after === undefined) return { items: all, revision: reader.revision }
      const limit = query.limit === undefined ? undefined : query.limit - items.length
      query = { ...query, limit, after }
    }
  } finally {
    reader.close()
  }
}

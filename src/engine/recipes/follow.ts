import { isQuorateError, type QuorateError } from '../../core/error.ts'
import type { Change, Item } from '../../core/machine/item.ts'
import type { Revision } from '../../core/types.ts'
import type { Call } from '../calls/call.ts'
import { closed } from '../calls/closed.ts'
import { Condition } from '../calls/condition.ts'
import type { StoreCalls } from '../store/store-calls.ts'
import type { KeyRange } from '../types.ts'
import { rest, scan } from './means.ts'

/** Between two looks whether this host, which made room, is back. */
const backEveryMs = 200

/**
 * A range of keys of the store as it is, and again whenever it has changed: always the same map, brought up to date.
 * What happens while its reader is busy shows in the next step as one. Every key must come behind those before it, as
 * keys of recipes do; so the map stays in their order.
 */
export async function* follow(
  calls: StoreCalls,
  bounds: KeyRange,
  call: Call,
): AsyncGenerator<ReadonlyMap<string, Item>, never> {
  for (;;) {
    try {
      const { items, revision } = await scan(calls, bounds, rest(calls, call))
      const present = new Map(items.map(item => [item.key, item]))
      const take = ({ key, item }: Change) => {
        if (item === null) present.delete(key)
        else present.set(key, item)
      }
      // From behind what was read: nothing falls between.
      for await (const _ of changesFrom(calls, bounds, revision + 1, take, call)) yield present
    } catch (error) {
      // Begun anew where the history is gone, and where this host made room, once it is back. Nothing else ends a watch
      // of its own but the end of the store.
      const isAway = isQuorateError(error, 'NOT_MEMBER')
      if (!isAway && !isQuorateError(error, 'COMPACTED')) throw error
      if (isAway) await new Condition().wait(calls.clock, backEveryMs, call.signal)
    }
  }
}

/**
 * Hands over what changes in a range of keys from a revision on, and gives its reader a turn: the first one at once,
 * the others behind changes. Throws COMPACTED where the history is gone.
 */
export async function* changesFrom(
  calls: StoreCalls,
  bounds: KeyRange,
  from: Revision,
  take: (change: Change) => void,
  call: Call,
): AsyncGenerator<void, never> {
  const news = new Condition()
  let changes = 0
  let ended: { readonly error: QuorateError } | undefined
  let stop = () => {}
  const end = (error: QuorateError) => {
    ended ??= { error }
    news.notify()
  }
  const stay = calls.onEnd(end)
  try {
    // The end may have come while what goes before was read: nobody tells of it any more.
    calls.check()
    const feed = calls.backend.watch(bounds, from, {
      changes(changed) {
        for (const change of changed) take(change)
        changes += 1
        news.notify()
      },
      end: error => end(error ?? closed('none', 'store')),
    })
    stop = () => feed.stop()
    for (let told = -1; ; ) {
      if (ended !== undefined) throw ended.error
      if (told !== changes) {
        told = changes
        yield
      } else {
        const { deadlineMs = 0 } = rest(calls, call)
        await news.wait(calls.clock, deadlineMs, call.signal)
      }
    }
  } finally {
    stay()
    stop()
  }
}

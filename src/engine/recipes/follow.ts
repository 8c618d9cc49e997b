import { isQuorateError, type QuorateError } from '../../core/error.ts'
import type { Item } from '../../core/machine/item.ts'
import type { Call } from '../call.ts'
import { closed } from '../closed.ts'
import { Condition } from '../condition.ts'
import type { StoreCalls } from '../store-calls.ts'
import type { KeyRange } from '../types.ts'
import { rest, scan } from './means.ts'

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
    const { items, revision } = await scan(calls, bounds, rest(calls, call))
    const present = new Map(items.map(item => [item.key, item]))
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
      // From behind what was read: nothing falls between.
      const feed = calls.backend.watch(bounds, revision + 1, {
        changes(changed) {
          for (const { key, item } of changed) {
            if (item === null) present.delete(key)
            else present.set(key, item)
          }
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
          yield present
        } else {
          const { deadlineMs = 0 } = rest(calls, call)
          await news.wait(calls.clock, deadlineMs, call.signal)
        }
      }
    } catch (error) {
      // Begun anew where the history is gone. Nothing else ends a watch of its own but the end of the store.
      if (!isQuorateError(error, 'COMPACTED')) throw error
    } finally {
      stay()
      stop()
    }
  }
}

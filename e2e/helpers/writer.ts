import type { SeedApi } from './seed-api.ts'
import type { Tab } from './tab.ts'

/** Somebody who writes one key after the other, and remembers which writes were acknowledged. */
export interface Writer {
  /** The keys of acknowledged writes so far, in order. */
  acknowledged(): Promise<readonly string[]>
  /** Ends behind the write that is under way. */
  stop(): Promise<void>
}

/** Writes in a page, with the number of the write as the value. A write that fails is left behind. */
export async function writeInTab(tab: Tab, prefix: string): Promise<Writer> {
  const writer = await tab.session.evaluateHandle(({ store }, keys) => {
    const acknowledged: string[] = []
    let isStopped = false
    const run = async () => {
      for (let number = 0; !isStopped; number++) {
        const key = `${keys}${number}`
        await store.put(key, number).then(
          () => acknowledged.push(key),
          () => undefined,
        )
      }
    }
    const ended = run()
    const stop = () => {
      isStopped = true
      return ended
    }
    return { acknowledged, stop }
  }, prefix)
  return {
    acknowledged: () => writer.evaluate(({ acknowledged }) => acknowledged),
    stop: () => writer.evaluate(({ stop }) => stop()),
  }
}

/** Writes over HTTP until the first write that fails. */
export function writeOverHttp(api: SeedApi, prefix: string): Writer {
  const acknowledged: string[] = []
  let isStopped = false
  const run = async () => {
    for (let number = 0; !isStopped; number++) {
      const key = `${prefix}${number}`
      await api.put(key, number)
      acknowledged.push(key)
    }
  }
  const ended = run().catch(() => undefined)
  return {
    acknowledged: async () => acknowledged,
    stop() {
      isStopped = true
      return ended
    },
  }
}

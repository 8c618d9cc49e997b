import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { browserClock } from '../../src/clock/browser.ts'
import { nodeClock } from '../../src/clock/node.ts'

/** A worker whose timers ring when the test says so. */
class FakeWorker {
  static last: FakeWorker | undefined
  onmessage: ((event: { readonly data: number }) => void) | undefined
  readonly asked: (readonly [number, number | null])[] = []

  constructor() {
    FakeWorker.last = this
  }

  postMessage(message: readonly [number, number | null]): void {
    this.asked.push(message)
  }
}

function clockOverWorker() {
  const { Worker, MessageChannel } = globalThis
  globalThis.Worker = FakeWorker as unknown as typeof Worker
  // A real one would keep the process.
  globalThis.MessageChannel = class {
    port1 = {}
    port2 = {}
  } as unknown as typeof MessageChannel
  const clock = browserClock()
  Object.assign(globalThis, { Worker, MessageChannel })
  const worker = FakeWorker.last
  assert(worker !== undefined)
  return { clock, worker }
}

describe('a timer that is cancelled never acts (mutant M149)', () => {
  test('in Node, also when it is due in the same moment as the one that cancels it', async () => {
    let hasRung = false
    await new Promise<void>(resolve => {
      let cancel = () => {}
      nodeClock.after(5, () => cancel())
      cancel = nodeClock.after(5, () => {
        hasRung = true
      })
      nodeClock.after(20, resolve)
    })
    assert.equal(hasRung, false)
  })

  test('in a page, also when the worker has rung already and its message is on the way', () => {
    const { clock, worker } = clockOverWorker()
    const rung: string[] = []
    const cancel = clock.after(5, () => rung.push('cancelled'))
    clock.after(5, () => rung.push('other'))
    const [first, second] = worker.asked.map(([id]) => id)
    cancel()
    for (const id of [first, second, second]) worker.onmessage?.({ data: id ?? -1 })
    cancel()
    assert.deepEqual(rung, ['other'])
    assert.deepEqual(worker.asked.at(-1), [first, null])
  })
})

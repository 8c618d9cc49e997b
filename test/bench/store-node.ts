// One process of `bench -- store`: the only host of a cluster, with a folder of its own.
// Arguments: the address of the seed, the folder, what to measure. Each figure is sent as soon as it is known.

import { setImmediate as turn } from 'node:timers/promises'
import { openHost, type Store } from '../../src/node.ts'
import { middle } from './bar.ts'
import { keyCount, valueBytes } from './drive.ts'
import { benchCluster } from './quorate-names.ts'

export interface StoreFigure {
  readonly name: string
  readonly value: number
  /** What was asked for, if anything. */
  readonly atLeast?: number
  readonly atMost?: number
}

export type StoreMessage =
  | { readonly type: 'figure'; readonly figure: StoreFigure }
  | { readonly type: 'done' }

const [, , seed = '', data = '', part = ''] = process.argv

const million = 1_000_000
const watcherCount = 1000
const entriesPerTxn = 1000
/** The first ones are slower, while compilers settle, and so never in the middle. */
const rounds = 5
const roundMs = 500

function report(figure: StoreFigure): void {
  process.send?.({ type: 'figure', figure: { ...figure, value: Math.round(figure.value * 1000) / 1000 } })
}

const keyOf = (number: number): string => `key/${String(number).padStart(7, '0')}`

async function open(): Promise<Store> {
  const host = await openHost({ ...benchCluster, seeds: [seed], data, bindAddress: '127.0.0.1' })
  return host.store('bench', { deadlineMs: 60_000 })
}

async function fill(store: Store, count: number, value: unknown): Promise<void> {
  for (let start = 0; start < count; start += entriesPerTxn) {
    const success = Array.from({ length: entriesPerTxn }, (_, number) => {
      return { type: 'put', key: keyOf(start + number), value } as const
    })
    await store.txn({ success })
  }
}

/** Calls a second, the middle one of some rounds: a shared machine makes single ones lie. */
function speedOf(call: (number: number) => unknown): number {
  const speeds = Array.from({ length: rounds }, () => {
    let count = 0
    const start = performance.now()
    while (performance.now() - start < roundMs) {
      for (let number = 0; number < 1000; number++, count++)
        if (call(count) === undefined) throw new Error('a key was not there')
    }
    return (count * 1000) / (performance.now() - start)
  })
  return middle(speeds)
}

async function speedOfPromises(call: (number: number) => Promise<unknown>): Promise<number> {
  const speeds: number[] = []
  for (let round = 0; round < rounds; round++) {
    let count = 0
    const start = performance.now()
    while (performance.now() - start < roundMs) {
      for (let number = 0; number < 1000; number++, count++)
        if ((await call(count)) === undefined) throw new Error('a key was not there')
      await turn()
    }
    speeds.push((count * 1000) / (performance.now() - start))
  }
  return middle(speeds)
}

async function reads(): Promise<void> {
  const store = await open()
  const values = {
    bytes: new Uint8Array(valueBytes).fill(118),
    object: { name: 'Ada', seat: '12A', paid: true },
  }
  // Keys in no order that a cache could guess.
  const scattered = Array.from({ length: keyCount }, (_, number) => keyOf((number * 7919) % keyCount))
  const at = (number: number): string => scattered[number % keyCount] as string
  for (const [kind, value] of Object.entries(values)) {
    await fill(store, keyCount, value)
    const { local } = await store.read()
    if (local === undefined) throw new Error('the state is not here')
    const isBar = kind === 'bytes'
    report({
      name: `point reads/s from a local view, values of ${kind}`,
      value: speedOf(number => local.get(at(number))),
      ...(isBar && { atLeast: 1_000_000 }),
    })
    report({
      name: `session gets/s, values of ${kind}`,
      value: await speedOfPromises(number => store.get(at(number), { consistency: 'session' })),
      ...(isBar && { atLeast: 300_000 }),
    })
  }
  await fanOut(store)
}

/** Watchers of one prefix, which all hear of every write. */
async function fanOut(store: Store): Promise<void> {
  const writes = 200
  const watchers = Array.from({ length: watcherCount }, async () => {
    let count = 0
    for await (const _event of store.watch({ prefix: 'w/' })) if (++count === writes) break
  })
  const start = performance.now()
  for (let number = 0; number < writes; number++) await store.put(`w/${number}`, number)
  await Promise.all(watchers)
  const value = (writes * watcherCount * 1000) / (performance.now() - start)
  report({ name: `events/s to ${watcherCount} watchers of one prefix`, value })
}

async function fillMillion(): Promise<void> {
  const store = await open()
  const bytes = (): number => {
    globalThis.gc?.()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = bytes()
  await fill(store, million, new Uint8Array(32).fill(118))
  await turn()
  report({
    name: 'bytes of memory per key of 11 characters with 32 bytes',
    value: (bytes() - before) / million,
  })
  const start = performance.now()
  if ((await store.count()) !== million) throw new Error('keys are missing')
  report({ name: 'ms of a count of 1 000 000 keys', value: performance.now() - start })
  const { local } = await store.read()
  const scattered = Array.from({ length: million }, (_, number) => keyOf((number * 7919) % million))
  const value = speedOf(number => local?.get(scattered[number % million] ?? ''))
  report({ name: 'point reads/s from a local view of 1 000 000 keys', value })
  await pauses(store)
}

/** The longest that one writer had to wait while so much was written that the whole state was saved again. */
async function pauses(store: Store): Promise<void> {
  const value = new Uint8Array(32).fill(119)
  const waits: number[] = []
  const writer = async (from: number): Promise<void> => {
    for (let number = 0; number < 10_000; number++) {
      const start = performance.now()
      await store.put(keyOf((from + number * 16) % million), value)
      waits.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: 16 }, (_, from) => writer(from)))
  waits.sort((left, right) => right - left)
  const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? 0
  report({
    name: 'longest pause of 16 writers, in ms, during a snapshot of 1 000 000 keys',
    value: at(0),
    atMost: 10,
  })
  report({ name: 'the pause that one of 1000 writes meets then, in ms', value: at(0.001) })
}

async function restart(): Promise<void> {
  const start = performance.now()
  const store = await open()
  await store.get(keyOf(1))
  report({
    name: 'seconds until 1 000 000 keys are read again',
    value: (performance.now() - start) / 1000,
    atMost: 5,
  })
  if ((await store.count()) !== million) throw new Error('keys are missing')
}

const parts: Readonly<Record<string, () => Promise<void>>> = { reads, million: fillMillion, restart }

process.once('disconnect', () => process.exit(0))
await parts[part]?.()
process.send?.({ type: 'done' } satisfies StoreMessage)

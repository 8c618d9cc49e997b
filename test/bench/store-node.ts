// One process of `bench -- store`: the only host of a cluster, with a folder of its own.
// Arguments: the address of the seed, the folder, what to measure. Each figure is sent as soon as it is known.

import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { openHost, type Store, type Watch, type WatchEvent } from '../../src/node.ts'
import { middle } from './bar.ts'
import { keyCount, valueBytes } from './drive.ts'
import { benchCluster } from './quorate-names.ts'
import { findPauses } from './store-pauses.ts'

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
    report({
      name: `point reads/s from a local view, values of ${kind}`,
      value: speedOf(number => local.get(at(number))),
      atLeast: 1_000_000,
    })
    report({
      name: `session gets/s, values of ${kind}`,
      value: await speedOfPromises(number => store.get(at(number), { consistency: 'session' })),
      atLeast: 300_000,
    })
  }
}

/** What the writer pays for a thousand watchers of its keys, or of others, and how much they hear. */
async function fanOut(): Promise<void> {
  const store = await open()
  const speedAmong = async (writes: number): Promise<number> => {
    const start = performance.now()
    let next = 0
    const writer = async (): Promise<void> => {
      while (next < writes) await store.put(`w/${next % 100}`, next++)
    }
    await Promise.all(Array.from({ length: 16 }, writer))
    return (writes * 1000) / (performance.now() - start)
  }
  await speedAmong(20_000)
  report({ name: 'writes/s without watchers, 16 in flight', value: await speedAmong(20_000) })
  for (const [prefix, writes] of [
    ['other/', 20_000],
    ['w/', 1000],
  ] as const) {
    const isHeard = prefix === 'w/'
    const watches = Array.from({ length: watcherCount }, () => store.watch({ prefix }))
    const start = performance.now()
    const heard = isHeard ? watches.map(watch => hear(watch, writes)) : []
    const speed = await speedAmong(writes)
    await Promise.all(heard)
    const what = isHeard ? 'that hear of each' : 'of other keys'
    report({ name: `writes/s beside ${watcherCount} watchers ${what}, 16 in flight`, value: speed })
    if (isHeard) {
      const value = (writes * watcherCount * 1000) / (performance.now() - start)
      report({ name: `events/s to ${watcherCount} watchers of one replica`, value })
    }
    for (const watch of watches) watch.close()
  }
}

/** Every event once, in order. */
async function hear(watch: Watch<WatchEvent>, events: number): Promise<void> {
  let count = 0
  let revision = 0
  for await (const event of watch) {
    if (event.revision <= revision) throw new Error('an event came late, or twice')
    revision = event.revision
    if (++count === events) return
  }
}

async function fillMillion(): Promise<void> {
  const store = await open()
  const before = liveBytes()
  const start = performance.now()
  await fill(store, million, new Uint8Array(32).fill(118))
  report({ name: 'seconds in which 1 000 000 keys are written', value: (performance.now() - start) / 1000 })
  await turn()
  report({
    name: 'bytes of memory per key of 11 characters with 32 bytes',
    value: (liveBytes() - before) / million,
  })
  await lookAtMillion(store)
  await pauses(store)
}

/** What the heap and the buffers beside it hold when all garbage is gone. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function lookAtMillion(store: Store): Promise<void> {
  const start = performance.now()
  if ((await store.count()) !== million) throw new Error('keys are missing')
  report({ name: 'ms of a count of 1 000 000 keys', value: performance.now() - start })
  const view = await store.read()
  const scattered = Array.from({ length: million }, (_, number) => keyOf((number * 7919) % million))
  const value = speedOf(number => view.local?.get(scattered[number % million] ?? ''))
  report({ name: 'point reads/s from a local view of 1 000 000 keys', value })
  // Or the next writes would copy what it holds.
  view.close()
}

/**
 * What a snapshot does to writers: the longest time in which none of their writes was confirmed, by the middle one of
 * some snapshots, less what the times between show. The collector marks this heap every ten seconds or so, and a disk
 * that others use stands still now and then, with and without a snapshot; the longest of all is told beside it.
 */
async function pauses(store: Store): Promise<void> {
  const found = await findPauses(store, data, number => keyOf((number * 7919) % million))
  const { duringSnapshots, between, snapshots, writesMeanwhile } = found
  if (writesMeanwhile === 0 || between.longest.length < 2) throw new Error('too few snapshots were under way')
  const [during, without] = [middle(duringSnapshots.longest), middle(between.longest)]
  const figures = {
    'writes/s to 1 000 000 keys, 16 in flight': found.writesPerSecond,
    'snapshots of 1 000 000 keys meanwhile': snapshots.length,
    'ms that one of them takes': middle(snapshots),
    'writes confirmed while one was under way': writesMeanwhile,
    'how often the collector marked the heap': found.marks,
    'ms, longest pause during a snapshot, the middle one of them': during,
    'ms, longest pause between two, the middle one of them': without,
    'ms, longest pause during any': Math.max(...duringSnapshots.longest),
    'ms, longest pause between any two': Math.max(...between.longest),
    'ms, longest pause during any, but where the collector marks': duringSnapshots.longestUnmarked,
    'ms, longest pause between any two, but where the collector marks': between.longestUnmarked,
  }
  for (const [name, value] of Object.entries(figures)) report({ name, value })
  report({
    name: 'ms that a snapshot of 1 000 000 keys adds to the longest pause of writers',
    value: Math.max(0, during - without),
    atMost: 10,
  })
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

const parts: Readonly<Record<string, () => Promise<void>>> = { reads, fanOut, million: fillMillion, restart }

process.once('disconnect', () => process.exit(0))
await parts[part]?.()
process.send?.({ type: 'done' } satisfies StoreMessage)

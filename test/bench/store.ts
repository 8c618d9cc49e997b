import { join } from 'node:path'
import { type Bar, middle, print, rounded } from './bar.ts'
import { startEtcd } from './etcd.ts'
import { endProcess, makeFolder, memberCount, nextMessage, startProcess } from './processes.ts'
import { startHosts, startSignaling } from './quorate.ts'
import type { StoreFigure, StoreMessage } from './store-node.ts'

const rounds = 3
const load = { inFlight: 256, durationMs: 2000 } as const
const warmUp = { inFlight: 64, durationMs: 2500 } as const

/** What reads cost, here and through a quorum, and what a store of a million keys does. */
export async function benchStore(): Promise<Bar[]> {
  const bars = [...(await alone('reads')), ...(await throughQuorum())]
  await etcdBeside()
  await alone('fanOut')
  return [...bars, ...(await alone('million'))]
}

/** One host with files, which has nobody to wait for. */
async function alone(part: 'reads' | 'fanOut' | 'million'): Promise<Bar[]> {
  const seed = await startSignaling()
  const folder = await makeFolder('store')
  const words = [seed.url, join(folder.path, 'host'), part]
  try {
    const bars = await figuresOf(words)
    // The same folder again, by another process.
    return part === 'million' ? [...bars, ...(await figuresOf([...words.slice(0, 2), 'restart']))] : bars
  } finally {
    await seed.close()
    await folder.remove()
  }
}

async function figuresOf(words: readonly string[]): Promise<Bar[]> {
  const node = await startProcess('store-node.ts', words)
  const bars: Bar[] = []
  // Not one after the other: several come at once.
  node.on('message', (message: StoreMessage) => {
    if (message.type !== 'figure') return
    print({ bench: 'store', ...message.figure })
    bars.push(...barOf(message.figure))
  })
  await nextMessage<StoreMessage, StoreMessage>(node, isDone)
  await endProcess(node)
  return bars
}

function isDone(message: StoreMessage): message is StoreMessage {
  return message.type === 'done'
}

function barOf({ name, value, atLeast, atMost }: StoreFigure): Bar[] {
  if (atLeast !== undefined) return [{ bar: `${name} >= ${atLeast}`, value, pass: value >= atLeast }]
  if (atMost !== undefined) return [{ bar: `${name} <= ${atMost}`, value, pass: value <= atMost }]
  return []
}

/**
 * Linearizable reads of one host of three, or of a client, each beside the writes of the leader a moment later: a noisy
 * neighbour disturbs both alike.
 */
async function throughQuorum(): Promise<Bar[]> {
  const system = await startHosts(1)
  try {
    await system.measure(warmUp)
    const bars: Bar[] = []
    for (const [host, name] of ['the leader', 'a follower', 'a client'].entries()) {
      const number = host === 2 ? memberCount : host
      const ratios: number[] = []
      const reads: number[] = []
      const writes: number[] = []
      for (let round = 0; round < rounds; round++) {
        const { opsPerSecond: read } = await system.measureOn(number, load, 'get')
        const { opsPerSecond: written } = await system.measureOn(0, load, 'put')
        ratios.push(read / written)
        reads.push(read)
        writes.push(written)
      }
      const value = rounded(middle(ratios))
      print({ bench: 'store', name: `linearizable reads/s on ${name}, 256 in flight`, value: middle(reads) })
      print({ bench: 'store', name: 'writes/s then, 256 in flight', value: middle(writes) })
      bars.push({ bar: `linearizable reads on ${name} >= 2 x writes`, value, pass: value >= 2 })
    }
    return bars
  } finally {
    await system.close()
  }
}

/** The same of etcd, where it is installed. */
async function etcdBeside(): Promise<void> {
  const etcd = await startEtcd()
  if (etcd === undefined) return print({ bench: 'store', name: 'etcd', missing: true })
  try {
    await etcd.measure(warmUp)
    await etcd.measureReads(warmUp)
    const figures = {
      'linearizable reads/s of etcd, 256 in flight': await etcd.measureReads(load),
      'writes/s of etcd, 256 in flight': await etcd.measure(load),
    }
    for (const [name, { opsPerSecond }] of Object.entries(figures))
      print({ bench: 'store', name, value: opsPerSecond })
  } finally {
    await etcd.close()
  }
}

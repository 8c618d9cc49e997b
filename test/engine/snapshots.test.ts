import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { plainBytes } from '../../src/base/bytes.ts'
import { crc32c } from '../../src/base/checksum.ts'
import { seededRandom } from '../../src/base/random.ts'
import { peerSilenceMs, snapshotPatienceMs, snapshotWindowChunks } from '../../src/core/limits.ts'
import type { EngineOptions } from '../../src/engine/parts.ts'
import type { Store } from '../../src/engine/store/store.ts'
import type { Deflate } from '../../src/storage/storage.ts'
import { decode, encode } from '../../src/wire/codec.ts'
import { decodeFrame, encodeFrame } from '../../src/wire/frames.ts'
import { TestCluster } from './cluster.ts'

const deployment = 'a'.charCodeAt(0).toString(16).padStart(32, '0')
const value = 'x'.repeat(30_000)

/** Many writes at once, in groups: each group waits for the one before. */
async function fill(cluster: TestCluster, store: Store, count: number, of: (i: number) => unknown) {
  for (let i = 0; i < count; i += 250) {
    const group = Array.from({ length: Math.min(250, count - i) }, (_, j) =>
      store.put(`k${i + j}`, of(i + j)),
    )
    await cluster.settle(Promise.all(group))
  }
}

type Piece = 'offer' | 'chunk' | 'end'

/** What a 'snapshot' frame brings; undefined for any other frame. */
function pieceOf(frame: Uint8Array): { readonly piece: Piece; readonly seq: number } | undefined {
  const decoded = decodeFrame(deployment, frame)
  if (typeof decoded === 'string' || decoded.kind !== 'snapshot') return undefined
  const [, , , seq, , piece] = decode(decoded.body) as unknown[]
  return { seq: Number(seq), piece: piece === null ? 'end' : Array.isArray(piece) ? 'offer' : 'chunk' }
}

/** Three voters; c is down, and the log of the others begins behind what c has. The state has some 30 chunks. */
async function behind(options: Partial<EngineOptions> & { readonly seed?: number } = {}) {
  const cluster = new TestCluster({ snapshotEntriesEvery: 50, trailingEntries: 10, ...options })
  const [a, b] = await cluster.three()
  cluster.crash('c')
  // The log waits for a follower as long as it may still be there.
  await cluster.run(5000)
  await fill(cluster, a.store, 70, i => value + i)
  await cluster.run(1000)
  const sent: {
    readonly from: string
    readonly lane: string
    readonly piece: Piece
    readonly seq: number
  }[] = []
  cluster.tap = (from, to, lane, frame) => {
    const piece = to === 'c' ? pieceOf(frame) : undefined
    if (piece !== undefined) sent.push({ from, lane, ...piece })
    return true
  }
  const host = () => cluster.host('c')
  const back = async () => cluster.settle((await host()).store('main', { waitForLeader: false }))
  return { cluster, a, b, sent, host, back }
}

const chunksOf = (sent: readonly { readonly piece: Piece; readonly seq: number }[]) =>
  sent.filter(({ piece }) => piece === 'chunk').map(({ seq }) => seq)

describe('a snapshot on its way', () => {
  test('goes on where it was when the connection was lost', async () => {
    const { cluster, a, sent, back } = await behind()
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 15)
    cluster.network.partition(['a'], ['c'])
    await cluster.run(peerSilenceMs + 2000)
    const before = chunksOf(sent).length
    cluster.network.heal()
    await cluster.until(() => c.status().applied >= a.store.status().commit)
    const [first] = chunksOf(sent.slice(sent.findIndex(({ piece }) => piece === 'chunk') + before))
    const chunks = new Set(chunksOf(sent)).size
    assert(chunks >= 20, `the snapshot has ${chunks} chunks`)
    assert(first !== undefined && first >= 16 - snapshotWindowChunks, `it went on at chunk ${first}`)
    assert(
      sent.every(({ lane }) => lane === 'bulk'),
      'no heartbeat waits behind it (mutant M146)',
    )
    const again = chunksOf(sent).length - chunks
    assert(again <= snapshotWindowChunks, `${again} chunks were sent twice`)
  })

  test('arrives over a network that loses, repeats and reorders frames', async () => {
    const { cluster, a, back } = await behind()
    cluster.network.setFaults({ lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.1, reorderMs: 50 })
    const c = await back()
    await cluster.until(() => c.status().applied >= a.store.status().commit, 600_000)
    assert.equal(await cluster.settle(c.get('k69', { deadlineMs: 60_000 })), `${value}69`)
  })

  test('goes on when a whole window arrived and every answer to it was lost', async () => {
    const { cluster, a, sent, back } = await behind()
    const { tap } = cluster
    let isLost = false
    cluster.tap = (from, to, lane, frame) => tap(from, to, lane, frame) && !(isLost && from === 'c')
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 5)
    isLost = true
    // The follower stores all that was under way, and can be waiting for more: nothing else makes it speak.
    await cluster.run(800)
    isLost = false
    const under = chunksOf(sent).length
    await cluster.until(() => c.status().applied >= a.store.status().commit)
    assert.equal(chunksOf(sent).length, new Set(chunksOf(sent)).size, 'no chunk was sent twice')
    assert(under < 20, `${under} chunks were sent before`)
  })

  test('arrives in the end, whatever is cut meanwhile, in one direction or in both', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed)
      const { cluster, a, b, sent, back } = await behind({ seed })
      const c = await back()
      await cluster.until(() => chunksOf(sent).length > 3)
      for (let i = 0; i < 12; i++) {
        const [from = 'a', to = 'c'] = ['a', 'b', 'c'].sort(() => random() - 0.5)
        cluster.network.cut(from, to)
        await cluster.run(random() * 1500)
        if (random() < 0.3) cluster.network.heal()
        for (const { store } of [a, b]) if (random() < 0.5) store.put(`late${i}`, seed).catch(() => {})
      }
      cluster.network.heal()
      await cluster.until(() => c.status().applied >= a.store.status().commit, 30_000)
    }
  })

  test('loses no time where a chunk gets lost: the follower says so when the next one comes', async () => {
    const { cluster, a, sent, back } = await behind()
    const { tap } = cluster
    let isLost = false
    cluster.tap = (from, to, lane, frame) => {
      tap(from, to, lane, frame)
      if (isLost || to !== 'c' || pieceOf(frame)?.seq !== 12) return true
      isLost = true
      return false
    }
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 0)
    const before = cluster.timers.now()
    await cluster.until(() => c.status().applied >= a.store.status().commit)
    const tookMs = cluster.timers.now() - before
    assert(isLost && tookMs < 500, `it took ${tookMs} ms`)
    const again = chunksOf(sent).length - new Set(chunksOf(sent)).size
    assert(again <= snapshotWindowChunks, `${again} chunks were sent twice`)
  })

  test('is not delivered where a piece of it is of another one: it comes anew', async () => {
    const { cluster, a, back } = await behind()
    let isChanged = false
    const { tap } = cluster
    cluster.tap = (from, to, lane, frame) => {
      tap(from, to, lane, frame)
      if (isChanged || to !== 'c' || pieceOf(frame)?.seq !== 5) return true
      const decoded = decodeFrame(deployment, frame)
      if (typeof decoded === 'string') return true
      const fields = decode(decoded.body) as unknown[]
      const other = (fields[5] as Uint8Array).slice().fill(7, 100, 200)
      // The frame is sound, and so is the piece by itself.
      fields[4] = crc32c(other)
      fields[5] = other
      frame.set(encodeFrame(deployment, 'snapshot', encode(fields)).subarray(0, frame.length))
      isChanged = true
      return true
    }
    const c = await back()
    await cluster.until(() => c.status().applied >= a.store.status().commit)
    assert(isChanged)
    assert.deepEqual(
      await cluster.settle(c.scan({}, { consistency: 'stale' })),
      await cluster.settle(a.store.scan({}, { consistency: 'stale' })),
    )
  })

  test('of a deposed leader is not mixed with that of the next one (mutant M77)', async () => {
    const { cluster, a, b, sent, back } = await behind()
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 10)
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.until(() => c.status().leader === 'b' && c.status().applied > 70)
    cluster.network.heal()
    await cluster.settle(b.store.put('last', 1, { deadlineMs: 60_000 }))
    await cluster.run(5000)
    const states = [a.store, b.store, c].map(store => store.scan({}, { consistency: 'stale' }))
    const [first, ...others] = await cluster.settle(Promise.all(states))
    for (const other of others) assert.deepEqual(other, first)
    assert.equal(first?.length, 71)
    assert(
      chunksOf(sent.filter(({ from }) => from === 'b')).includes(0),
      'the next leader begins at the first chunk',
    )
  })

  test('is not ended by an offer of a deposed leader that comes late (mutant M77)', async () => {
    const { cluster, b, sent, back } = await behind()
    const { tap } = cluster
    let offer = new Uint8Array(0)
    cluster.tap = (from, to, lane, frame) => {
      if (from === 'a' && to === 'c' && pieceOf(frame)?.piece === 'offer') offer = frame.slice()
      return tap(from, to, lane, frame)
    }
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 5)
    cluster.network.partition(['a'], ['b', 'c'])
    const chunksOfB = () => chunksOf(sent.filter(({ from }) => from === 'b'))
    await cluster.until(() => chunksOfB().length > 10)
    cluster.deliver('a', 'c', 'bulk', offer)
    await cluster.until(() => c.status().applied >= b.store.status().commit)
    assert.equal(chunksOfB().length, new Set(chunksOfB()).size, 'no chunk was sent twice')
  })

  test('is not waited for when the log grows too large: a later one takes its place, whole', async () => {
    const { cluster, a, sent, back } = await behind({ heldLogBytesMax: 500_000 })
    cluster.network.setFaults({ latencyMs: 100 })
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 10)
    const before = chunksOf(sent).length
    await fill(cluster, a.store, 60, i => `${value}again${i}`)
    await cluster.until(() => c.status().applied >= a.store.status().commit)
    assert(chunksOf(sent.slice(before)).includes(0), 'another one begins')
    assert.equal(await cluster.settle(c.get('k59')), `${value}again59`)
  })

  test('is not repeated when the answer to its end gets lost (mutant M80)', async () => {
    const { cluster, a, sent, back } = await behind()
    const { tap } = cluster
    let isEndSent = false
    cluster.tap = (from, to, lane, frame) => {
      tap(from, to, lane, frame)
      isEndSent ||= sent.at(-1)?.piece === 'end'
      return from !== 'c' || !isEndSent || cluster.timers.now() > lostUntil
    }
    let lostUntil = Number.POSITIVE_INFINITY
    const c = await back()
    await cluster.until(() => isEndSent)
    lostUntil = cluster.timers.now() + 1500
    await cluster.settle(a.store.put('later', 1))
    await cluster.until(() => c.status().applied >= a.store.status().commit)
    assert.equal(chunksOf(sent).length, new Set(chunksOf(sent)).size, 'no chunk was sent twice')
  })

  test('begins anew for a follower that was away for longer than it was waited for', async () => {
    const { cluster, a, sent, back } = await behind()
    const c = await back()
    await cluster.until(() => chunksOf(sent).length > 10)
    cluster.network.partition(['a', 'b'], ['c'])
    await cluster.run(snapshotPatienceMs + 5000)
    cluster.network.heal()
    await cluster.until(() => c.status().applied >= a.store.status().commit)
  })

  for (const closedMs of [0, 10_000]) {
    test(`goes on where the store of its leader was closed meanwhile for ${closedMs} ms`, async () => {
      const cluster = new TestCluster({ snapshotEntriesEvery: 50, trailingEntries: 10, heldLogBytesMax: 0 })
      const a = await cluster.open('a')
      await fill(cluster, a.store, 70, i => value + i)
      await cluster.run(1000)
      let chunks = 0
      cluster.tap = (_from, _to, _lane, frame) => {
        if (pieceOf(frame)?.piece === 'chunk') chunks += 1
        return true
      }
      const newcomer = await cluster.host('b')
      const b = await cluster.settle(newcomer.store('main', { waitForLeader: false }))
      await cluster.until(() => chunks > 3)
      await cluster.settle(a.store.close())
      await cluster.run(closedMs)
      assert.equal(b.status().applied, 0)
      // Nobody else votes: whoever leads again is the same leader in the same term.
      const again = await cluster.settle(a.host.store('main'))
      await cluster.until(() => b.status().applied === again.status().applied, 30_000)
    })
  }

  test('keeps nobody from closing', async () => {
    const { cluster, a, b, sent, host } = await behind()
    const c = await host()
    await cluster.settle(c.store('main', { waitForLeader: false }))
    await cluster.until(() => chunksOf(sent).length > 5)
    await cluster.settle(c.close())
    await cluster.settle(b.host.close())
    await cluster.settle(a.host.close())
  })

  test('keeps writers waiting neither while it is taken nor while it is stored', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 5 })
    const { store } = await cluster.open('a')
    let isHung = true
    const release: (() => void)[] = []
    cluster.diskDelay = (_host, operation) =>
      operation === 'save-snapshot' && isHung
        ? new Promise(resolve => release.push(resolve))
        : Promise.resolve()
    await fill(cluster, store, 100, i => i)
    await cluster.until(() => release.length > 0)
    await fill(cluster, store, 100, i => i)
    assert.equal(release.length, 1, 'one at a time is being stored')
    isHung = false
    release[0]?.()
    await fill(cluster, store, 50, i => i + 1)
    assert.equal(await cluster.settle(store.get('k49')), 50)
    cluster.crash('a')
    const again = await cluster.open('a')
    assert.equal(await cluster.settle(again.store.get('k99')), 99)
  })
})

describe('a snapshot that is deflated', () => {
  const deflate: Deflate = {
    deflate: async bytes => deflateRawSync(bytes),
    inflate: async (bytes, maxOutputLength) => plainBytes(inflateRawSync(bytes, { maxOutputLength })),
  }

  /** Two voters and a witness that were brought up by a snapshot of `a`, and the bytes that went to each. */
  async function brought(given: Deflate | undefined) {
    const cluster = new TestCluster({ snapshotEntriesEvery: 50, trailingEntries: 5 })
    cluster.deflate = given
    const a = await cluster.open('a')
    await fill(cluster, a.store, 100, i => value + i)
    await cluster.run(1000)
    const sent = new Map<string, number>()
    cluster.tap = (_from, to, lane, frame) => {
      if (lane === 'bulk') sent.set(to, (sent.get(to) ?? 0) + frame.length)
      return true
    }
    const b = await cluster.open('b')
    const w = await cluster.open('w', { role: 'witness' })
    await cluster.until(() => b.store.status().applied === a.store.status().applied)
    return { cluster, a, b, w, sent }
  }

  test('costs less on its way, and is read after restarts, by a follower and by a witness', async () => {
    const { cluster, a, b, sent } = await brought(deflate)
    const plain = await brought(undefined)
    assert((sent.get('b') ?? 0) < (plain.sent.get('b') ?? 0) / 10)
    await cluster.settle(a.store.promote(['b', 'w']))
    for (const name of ['a', 'b', 'w']) cluster.crash(name)
    const hosts = await Promise.all(['b', 'w'].map(name => cluster.host(name)))
    const [again] = await cluster.settle(Promise.all(hosts.map(host => host.store())))
    assert(again !== undefined)
    for (const i of [0, 99]) assert.equal(await cluster.settle(again.get(`k${i}`)), value + i)
    assert.equal(b.store.status().keys, 100)
  })

  test('comes as it was before to a host that cannot inflate, and goes on from there', async () => {
    const { cluster, a } = await brought(deflate)
    cluster.deflate = undefined
    const d = await cluster.open('d')
    assert.equal(await cluster.settle(d.store.get('k99')), `${value}99`)
    await cluster.settle(a.store.promote(['b', 'd']))
    await cluster.settle(d.store.transferLeadership('d'))
    const e = await cluster.open('e')
    assert.equal(await cluster.settle(e.store.get('k0')), `${value}0`)
  })

  test('is read beside those that are not, which earlier versions made', async () => {
    const { cluster, a } = await brought(undefined)
    for (const name of ['a', 'b', 'w']) cluster.crash(name)
    cluster.deflate = deflate
    const again = await cluster.open('a')
    assert.equal(await cluster.settle(again.store.get('k42')), `${value}42`)
    await fill(cluster, again.store, 100, i => value + i)
    const d = await cluster.open('d')
    assert.equal(await cluster.settle(d.store.get('k99')), `${value}99`)
    assert.equal(a.store.status().keys, 100)
  })
})

describe('a follower that is far behind', () => {
  // A million takes minutes: CATCH_UP_ENTRIES=1000000.
  const entries = Number(process.env.CATCH_UP_ENTRIES ?? 3000)

  test(`by ${entries} entries catches up under load by one snapshot, without missing a heartbeat`, async () => {
    const text = 'x'.repeat(1000)
    const every = Math.ceil(entries / 20)
    const cluster = new TestCluster({
      snapshotEntriesEvery: every,
      trailingEntries: Math.ceil(entries / 100),
    })
    const [a] = await cluster.three()
    cluster.crash('c')
    await cluster.run(5000)
    await fill(cluster, a.store, entries, i => text + i)
    // A slow link: the snapshot takes much longer than the log lasts between two of them.
    cluster.network.setFaults({ latencyMs: 40 })
    const { term } = a.store.status()
    let offers = 0
    let lastHeartbeat = Number.POSITIVE_INFINITY
    let longestMs = 0
    cluster.tap = (from, to, lane, frame) => {
      if (from !== 'a' || to !== 'c') return true
      if (pieceOf(frame)?.piece === 'offer') offers += 1
      if (lane === 'control') {
        longestMs = Math.max(longestMs, cluster.timers.now() - lastHeartbeat)
        lastHeartbeat = cluster.timers.now()
      }
      return true
    }
    const host = await cluster.host('c')
    const c = await cluster.settle(host.store('main', { waitForLeader: false }))
    const writes: Promise<unknown>[] = []
    let isBehind = true
    for (let i = 0; isBehind; i++) {
      for (let j = 0; j < 20; j++) writes.push(a.store.put(`busy${(20 * i + j) % 100}`, i))
      await cluster.run(10)
      isBehind = c.status().applied < a.store.status().commit - 100
      assert(i < 3000, `c has ${c.status().applied} of ${a.store.status().commit}`)
    }
    await cluster.settle(Promise.all(writes))
    assert.equal(offers, 1)
    assert(longestMs <= 400, `${longestMs} ms without a heartbeat`)
    assert.deepEqual([a.store.status().term, a.store.status().role], [term, 'leader'])
    assert.equal(await cluster.settle(c.get(`k${entries - 1}`)), `${text}${entries - 1}`)
  })
})

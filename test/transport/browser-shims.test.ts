// The browser bundle of simple-peer stands on small stand-ins (src/transport/shims). Here it runs over real WebRTC, in
// Node, so that a change of either is noticed before a browser starts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type SimplePeer from 'simple-peer'
import { bulkChannelId } from '../../src/transport/rtc.ts'
import stream from '../../src/transport/shims/readable-stream.cts'
import { loadNodeRtc } from '../../src/transport/webrtc-node.ts'

interface BuildModule {
  buildBrowser(outdir: string, options: object): Promise<unknown>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'quorate-shims-'))
after(() => rm(folder, { recursive: true, force: true }))

let bundledPeer: Promise<SimplePeer.SimplePeer> | undefined

function loadBundledPeer(): Promise<SimplePeer.SimplePeer> {
  bundledPeer ??= bundlePeer()
  return bundledPeer
}

async function bundlePeer(): Promise<SimplePeer.SimplePeer> {
  const { buildBrowser } = (await import(join(root, 'build.mjs'))) as BuildModule
  await buildBrowser(folder, {
    entryPoints: [],
    stdin: { contents: "export { default as Peer } from 'simple-peer'", resolveDir: root },
    entryNames: 'peer',
    sourcemap: false,
  })
  const bundled = (await import(pathToFileURL(join(folder, 'peer.js')).href)) as {
    Peer: SimplePeer.SimplePeer
  }
  return bundled.Peer
}

test('two peers of the browser bundle connect, exchange bytes as they were, and see each other leave', async () => {
  const Peer = await loadBundledPeer()
  const wrtc = (await loadNodeRtc({ bindAddress: '127.0.0.1' })) as unknown as SimplePeer.Options['wrtc']
  const options = {
    ...(wrtc === undefined ? {} : { wrtc }),
    config: { iceServers: [] },
    channelConfig: { negotiated: true, id: bulkChannelId },
    objectMode: true,
    iceCompleteTimeout: 100,
  }
  const left = new Peer({ ...options, initiator: true })
  const right = new Peer(options)
  // Behind the turn in which they are made, as over a network: inside it, the maker has no ICE transport yet.
  left.on('signal', signal => setImmediate(() => right.signal(signal)))
  right.on('signal', signal => setImmediate(() => left.signal(signal)))
  const received = once(right, 'data')
  const closed = once(right, 'close')
  right.on('error', () => undefined) // A peer that leaves is an error of the channel to simple-peer, then a close.
  await once(left, 'connect')
  left.send(Uint8Array.of(1, 2, 255))
  const [message] = (await received) as [unknown]
  assert.ok(message instanceof Uint8Array && !Buffer.isBuffer(message))
  assert.deepEqual([...message], [1, 2, 255])
  const written: string[] = []
  const last = new Promise(resolve =>
    right.on('data', (bytes: Uint8Array) => bytes[0] === 4 && resolve(bytes)),
  )
  left.write(Uint8Array.of(3), () => written.push('first'))
  left.write(Uint8Array.of(4), () => written.push('second'))
  assert.deepEqual(written, [])
  await last
  assert.deepEqual(written, ['first', 'second'])
  left.destroy()
  await closed
})

test('media that the other side adds is left alone', async t => {
  const Peer = await loadBundledPeer()
  const rtc = await loadNodeRtc({ bindAddress: '127.0.0.1' })
  const made: RTCPeerConnection[] = []
  class Recorded extends rtc.RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration)
      made.push(this)
    }
  }
  const wrtc = { ...rtc, RTCPeerConnection: Recorded } as object as NonNullable<SimplePeer.Options['wrtc']>
  const peer = new Peer({ wrtc, config: { iceServers: [] } })
  t.after(() => peer.destroy())
  const event = { streams: [{ id: 'stream' }], track: {} } as object as RTCTrackEvent
  for (const connection of made) connection.ontrack?.(event)
  assert.equal(made.length, 1)
})

describe('the stand-in of a stream', () => {
  test('calls listeners in order, once where asked, and the ones that were there when the event began', () => {
    const duplex = new stream.Duplex()
    const heard: string[] = []
    duplex.once('data', value => heard.push(`once ${value}`))
    duplex.on('data', value => {
      heard.push(`on ${value}`)
      duplex.on('data', () => heard.push('late'))
    })
    duplex.push(1)
    assert.deepEqual(heard, ['once 1', 'on 1'])
  })

  test('throws an error that nobody listens to', () => {
    const duplex = new stream.Duplex()
    assert.throws(() => duplex.emit('error', new Error('unheard')), /unheard/)
    duplex.on('error', () => undefined)
    assert.equal(duplex.emit('error', new Error('heard')), true)
  })

  test('ends each side once', () => {
    const duplex = new stream.Duplex()
    const heard: string[] = []
    duplex.on('end', () => heard.push('end'))
    duplex.on('finish', () => heard.push('finish'))
    duplex.push(null)
    duplex.end().end()
    assert.deepEqual(heard, ['end', 'finish'])
    assert.ok(duplex._readableState.ended && duplex._writableState.finished)
  })
})

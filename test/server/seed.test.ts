import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { isQuorateError } from '../../src/core/error.ts'
import { openHost } from '../../src/node.ts'
import { type SeedOptions, startSeed } from '../../src/server/seed.ts'
import { collectGarbage } from '../run/collect-garbage.ts'
import { Cleanup } from './cleanup.ts'

async function start(cleanup: Cleanup, data: string, options: SeedOptions = {}) {
  const seed = await startSeed({ port: 0, data, ...options })
  cleanup.defer(() => seed.close())
  return seed
}

async function ask(url: string, init: RequestInit = {}) {
  const response = await fetch(url, {
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  })
  const body: Readonly<Record<string, unknown>> = await response.json()
  return { status: response.status, body }
}

test('a seed founds the cluster, serves the store, and has it all again after a restart', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  const first = await start(cleanup, data)
  assert.equal(first.hasLeader, true)
  assert.deepEqual((await ask(`${first.url}/healthz`)).body, { status: 'ok' })
  assert.equal((await ask(`${first.url}/v1/kv/key`, { method: 'PUT', body: '{"a":1}' })).status, 200)
  await first.close()
  await first.close()
  const second = await start(cleanup, data)
  assert.deepEqual((await ask(`${second.url}/v1/kv/key`)).body, { a: 1 })
  assert.equal(second.host?.id, first.host?.id)
  assert.equal(second.secret, first.secret)
})

test('a seed applies the rules of its application from its start', async t => {
  const cleanup = new Cleanup(t)
  const asked: string[] = []
  const seed = await start(cleanup, await cleanup.folder(), {
    authorize: peer => asked.push(peer) === 0,
    hooks: {
      validate: ({ type }) => (type === 'insert' ? 'nothing new' : undefined),
      requests: { greet: name => `hello, ${name}` },
    },
  })
  const store = await seed.host?.store()
  assert.equal(await store?.request('greet', 'seed'), 'hello, seed')
  const insert = store?.insert('k', 1) ?? Promise.resolve()
  await assert.rejects(insert, error => isQuorateError(error, 'REFUSED'))
  const shared = { cluster: 'demo', seeds: [seed.url], webrtc: 'off' } as const
  const host = await openHost({ ...shared, secret: seed.secret })
  cleanup.defer(() => host.close())
  const joining = host.store('main', { deadlineMs: 1500 })
  await assert.rejects(joining, error => isQuorateError(error) && error.outcome === 'none')
  assert.deepEqual(asked, [host.id])
})

test('a generated secret is kept for its owner alone, and a damaged one is not replaced', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  const seed = await start(cleanup, data, { signalOnly: true })
  const file = join(data, 'secret')
  assert.equal((await readFile(file, 'utf8')).trim(), seed.secret)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual((await ask(`${seed.url}/config.json`)).body, { cluster: 'demo', secret: seed.secret })
  await seed.close()
  await writeFile(file, 'cut')
  await assert.rejects(start(cleanup, data), error => isQuorateError(error, 'STORAGE_CORRUPT'))
})

test('a host that knows the secret joins through the seed, another one is refused', async t => {
  const cleanup = new Cleanup(t)
  const seed = await start(cleanup, await cleanup.folder())
  const shared = { cluster: 'demo', seeds: [seed.url], webrtc: 'off' } as const
  const host = await openHost({ ...shared, secret: seed.secret })
  cleanup.defer(() => host.close())
  const store = await host.store()
  await store.put('from', 'the host')
  assert.deepEqual((await ask(`${seed.url}/v1/kv/from`)).body, 'the host')
  const { body } = await ask(`${seed.url}/v1/status`)
  assert.equal((body.members as readonly unknown[]).length, 2)
  assert.deepEqual([...(body.signaling as { hosts: string[] }).hosts].sort(), [host.id, seed.host?.id].sort())
  const stranger = await openHost({ ...shared, secret: 'guessed' })
  cleanup.defer(() => stranger.close())
  await assert.rejects(stranger.store(), error => isQuorateError(error, 'UNAUTHORIZED'))
})

test('a seed that was removed from the store still introduces the others to each other after a restart', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  const first = await start(cleanup, data)
  const { secret } = first
  const host = await openHost({ cluster: 'demo', seeds: [first.url], secret, webrtc: 'off' })
  cleanup.defer(() => host.close())
  const store = await host.store()
  await store.promote(host.id)
  await store.put('key', 'kept')
  const own = await first.host?.store()
  const wasRemoved = new Promise<void>(resolve => {
    own?.on('leader', ({ role }) => role === 'removed' && resolve())
  })
  await store.demote(first.host?.id ?? '')
  await store.remove(first.host?.id ?? '')
  await wasRemoved
  await first.close()
  const errors: unknown[] = []
  const port = Number(new URL(first.url).port)
  const second = await start(cleanup, data, { port, onError: error => errors.push(error) })
  assert.equal(second.host, undefined)
  assert.equal((await ask(`${second.url}/v1/kv/key`)).status, 501)
  const late = await openHost({ cluster: 'demo', seeds: [second.url], secret, webrtc: 'off' })
  cleanup.defer(() => late.close())
  assert.equal(await (await late.store()).get('key'), 'kept')
  assert.deepEqual(errors, [])
})

test('a seed that was removed while it was away learns so, and introduces the others', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  const first = await start(cleanup, data)
  const { secret } = first
  const host = await openHost({ cluster: 'demo', seeds: [first.url], secret, webrtc: 'off' })
  cleanup.defer(() => host.close())
  const store = await host.store()
  await store.promote(host.id)
  await store.demote(first.host?.id ?? '')
  await first.close()
  await store.remove(first.host?.id ?? '')
  const second = await start(cleanup, data, { port: Number(new URL(first.url).port) })
  assert.equal(second.host, undefined)
  const late = await openHost({ cluster: 'demo', seeds: [second.url], secret, webrtc: 'off' })
  cleanup.defer(() => late.close())
  assert.equal((await (await late.store()).members()).length, 2)
})

test("a start that is ended while the store is far is nobody's error", async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  await writeFile(
    join(data, 'founding.json'),
    JSON.stringify({ founder: 'a'.repeat(20), deployment: '0'.repeat(32) }),
  )
  const errors: unknown[] = []
  const ended = new AbortController()
  const seed = await start(cleanup, data, { signal: ended.signal, onError: error => errors.push(error) })
  assert.equal(seed.hasLeader, false)
  ended.abort(new Error('interrupted'))
  await seed.close()
  assert.deepEqual(errors, [])
})

test('a seed that only signals lets the first host found the cluster', async t => {
  const cleanup = new Cleanup(t)
  const seed = await start(cleanup, await cleanup.folder(), { signalOnly: true, cluster: 'meeting' })
  assert.equal(seed.host, undefined)
  assert.equal((await ask(`${seed.url}/healthz`)).status, 200)
  assert.equal((await ask(`${seed.url}/v1/kv/key`)).status, 501)
  const host = await openHost({ cluster: 'meeting', seeds: [seed.url], secret: seed.secret, webrtc: 'off' })
  cleanup.defer(() => host.close())
  const store = await host.store()
  assert.equal((await store.put('key', 1)).revision > 0, true)
})

test('a seed whose host is a witness founds nothing, holds no value, and survives a loss with two others', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  await assert.rejects(start(cleanup, data, { witness: true, signalOnly: true }), TypeError)
  const server = createServer().listen(0, '127.0.0.1')
  cleanup.defer(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const options = { server, witness: true, secret: 'shared' }
  const starting = start(cleanup, data, options)
  const shared = { cluster: 'demo', seeds: [url], secret: 'shared', webrtc: 'off' } as const
  const ada = await openHost(shared)
  cleanup.defer(() => ada.close())
  const store = await ada.store()
  const bob = await openHost(shared)
  cleanup.defer(() => bob.close())
  await bob.store()
  const first = await starting
  assert.equal(first.hasLeader, true)
  const witness = first.host?.id ?? ''
  const members = await store.promote([bob.id, witness])
  assert.deepEqual(
    new Map(members.map(member => [member.hostId, [member.role, member.witness]])),
    new Map([ada.id, bob.id, witness].map(id => [id, ['voter', id === witness]])),
  )
  const headers = { authorization: 'Bearer shared' }
  assert.equal((await ask(`${url}/v1/kv/key`, { method: 'PUT', body: '1', headers })).status, 200)
  const { body } = await ask(`${url}/v1/status`, { headers })
  assert.deepEqual([body.role, body.keys], ['witness', 0])
  await bob.close()
  await store.put('key', 2, { deadlineMs: 20_000 })
  await first.close()
  const second = await start(cleanup, data, options)
  assert.equal(second.host?.id, witness)
  await store.put('key', 3, { deadlineMs: 20_000 })
  assert.deepEqual((await ask(`${url}/v1/kv/key`, { headers })).body, 3)
})

test('what is no name of a cluster is refused before a folder is made', async t => {
  const cleanup = new Cleanup(t)
  const data = join(await cleanup.folder(), 'new')
  await assert.rejects(start(cleanup, data, { cluster: '' }), TypeError)
  await assert.rejects(stat(data), { code: 'ENOENT' })
})

test('a second seed on the same folder is refused', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  await start(cleanup, data)
  await assert.rejects(start(cleanup, data), error => isQuorateError(error, 'STORAGE_LOCKED'))
})

test('an address that others can reach needs a secret', async t => {
  const cleanup = new Cleanup(t)
  const data = await cleanup.folder()
  await assert.rejects(start(cleanup, data, { host: '0.0.0.0' }), /needs a secret/)
  await assert.rejects(stat(join(data, 'secret')), { code: 'ENOENT' })
  const seed = await start(cleanup, data, { secret: 'explicit' })
  assert.equal((await ask(`${seed.url}/v1/status`)).status, 401)
  assert.equal(
    (await ask(`${seed.url}/v1/status`, { headers: { authorization: 'Bearer explicit' } })).status,
    200,
  )
})

test('a seed shares a server with what was there, and leaves it as it was', async t => {
  const cleanup = new Cleanup(t)
  const server: Server = createServer((_message, response) => response.end('"theirs"')).listen(0, '127.0.0.1')
  cleanup.defer(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const seed = await start(cleanup, await cleanup.folder(), { server })
  assert.equal(seed.url, url)
  assert.equal((await ask(`${url}/`)).body, 'theirs')
  assert.equal((await ask(`${url}/v1/kv/key`, { method: 'PUT', body: '1' })).status, 200)
  await seed.close()
  assert.equal((await ask(`${url}/v1/status`)).body, 'theirs')
  assert.equal(server.listenerCount('upgrade'), 0)
})

test('a server over TLS that a seed was mounted on keeps no connection that was closed', async t => {
  const cleanup = new Cleanup(t)
  // A key that both know, in place of a certificate.
  const psk = randomBytes(32)
  const ciphers = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const
  const server = createTlsServer({ ...ciphers, pskCallback: () => psk }).listen(0, '127.0.0.1')
  cleanup.defer(() => server.close())
  await once(server, 'listening')
  const seed = await start(cleanup, await cleanup.folder(), { server, signalOnly: true })
  const held: WeakRef<object>[] = []
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: object) => held.push(new WeakRef(socket)))
  }
  const { port } = new URL(seed.url)
  for (const upgrade of ['', 'connection: upgrade\r\nupgrade: websocket\r\n']) {
    const options = {
      ...ciphers,
      pskCallback: () => ({ psk, identity: 'test' }),
      checkServerIdentity: () => undefined,
    }
    const socket = connectTls({ ...options, port: Number(port), host: '127.0.0.1' })
    await once(socket, 'secureConnect')
    socket.write(`GET /elsewhere HTTP/1.1\r\nhost: localhost:${port}\r\n${upgrade}\r\n`)
    await once(socket, 'data')
    socket.end()
    await once(socket, 'close')
  }
  assert.equal(held.length, 4)
  for (let turn = 0; held.some(ref => ref.deref() !== undefined); turn++) {
    assert(turn < 100, 'a closed connection is held')
    await new Promise(resolve => setImmediate(resolve))
    collectGarbage()
  }
})

test('a connection over which nothing was ever asked does not hold up the closing', async t => {
  const cleanup = new Cleanup(t)
  const seed = await start(cleanup, await cleanup.folder(), { signalOnly: true })
  const { hostname, port } = new URL(seed.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // An answer over another connection: the seed has accepted the silent one before.
  await ask(`${seed.url}/healthz`)
  const before = performance.now()
  await Promise.all([seed.close(), once(socket, 'close')])
  assert(performance.now() - before < 1000, 'the seed did not wait for a last request')
})

test('a refused connection that its client does not end does not hold up the closing for ever', async t => {
  const cleanup = new Cleanup(t)
  const seed = await start(cleanup, await cleanup.folder(), { signalOnly: true })
  const { host, hostname, port } = new URL(seed.url)
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  cleanup.defer(() => socket.destroy())
  socket.on('error', () => {})
  const request = ['GET /elsewhere HTTP/1.1', `host: ${host}`, 'connection: upgrade', 'upgrade: websocket']
  socket.write(`${request.join('\r\n')}\r\n\r\n`)
  socket.resume()
  await once(socket, 'end')
  const before = performance.now()
  await seed.close()
  assert(performance.now() - before < 5_000, 'the seed did not wait for its client')
})

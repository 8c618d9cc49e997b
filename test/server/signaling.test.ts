import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/base/random.ts'
import { QuorateError } from '../../src/core/error.ts'
import { fileFoundingStore, memoryFoundingStore } from '../../src/server/founding.ts'
import type { SignalingOptions } from '../../src/server/signaling.ts'
import { Counters } from '../../src/transport/counters.ts'
import { createIdentity, type Identity } from '../../src/transport/identity.ts'
import { deriveClusterKeys } from '../../src/transport/secret.ts'
import { Signaling } from '../../src/transport/signaling.ts'
import {
  admissionText,
  decodeSeedMessage,
  encodeHostMessage,
} from '../../src/transport/signaling-protocol.ts'
import type { Socket } from '../../src/transport/socket.ts'
import { openNodeSocket } from '../../src/transport/websocket-node.ts'
import { cluster, openSeed, realTimers, secret, type TestSeed, until } from '../transport/real-cluster.ts'

const never = new AbortController().signal

describe('a signaling server', () => {
  test('tells the hosts who is here, at once', async t => {
    const seed = await openSeedFor(t)
    const a = await admittedHost(seed)
    const b = await admittedHost(seed)
    await until(() => a.present().has(b.hostId) && b.present().has(a.hostId))
    assert.deepEqual(new Set(seed.signaling.hosts()), new Set([a.hostId, b.hostId]))
    b.close()
    await until(() => !a.present().has(b.hostId))
    assert.deepEqual(a.events, [`joined ${b.hostId}`, `left ${b.hostId}`])
    a.close()
  })

  test('carries envelopes and relayed bytes, and names the sender itself', async t => {
    const seed = await openSeedFor(t)
    const a = await admittedHost(seed)
    const b = await admittedHost(seed)
    await until(() => a.present().has(b.hostId))
    assert(a.signaling.sendEnvelope(b.hostId, Uint8Array.of(1, 2)))
    assert(a.signaling.sendRelayed(b.hostId, Uint8Array.of(3, 4)))
    await until(() => b.events.length === 2)
    assert.deepEqual(b.events, ['envelope 1,2', `relayed ${a.hostId} 3,4`])
    assert.equal(a.signaling.sendEnvelope('nobody', Uint8Array.of(1)), false)
    a.close()
    b.close()
  })

  test('refuses a host without the secret, once and for all, and nobody else notices', async t => {
    const seed = await openSeedFor(t)
    const good = await admittedHost(seed)
    const stranger = await host(seed, { secret: 'a guess' })
    await assert.rejects(stranger.signaling.found(ofFirst, never), { code: 'UNAUTHORIZED' })
    await assert.rejects(stranger.signaling.found(ofFirst, never), { code: 'UNAUTHORIZED' })
    assert.equal(seed.signaling.counters()['refused-unauthorized'], 1, 'it does not try again')
    assert.deepEqual(seed.signaling.hosts(), [good.hostId])
    assert.deepEqual(good.events, [])
    good.close()
    stranger.close()
  })

  test('refuses hosts of another cluster, and those that its owner refuses', async t => {
    const bad = await createIdentity(true)
    const seed = await openSeedFor(t, { verify: hostId => hostId !== bad.hostId })
    const other = await host(seed, { cluster: 'another' })
    await assert.rejects(other.signaling.found(ofFirst, never), { code: 'WRONG_CLUSTER' })
    const refused = await host(seed, { identity: bad })
    await assert.rejects(refused.signaling.found(ofFirst, never), { code: 'UNAUTHORIZED' })
    other.close()
    refused.close()
  })

  test('refuses a name that does not match the key, a foreign signature, and a replayed proof', async t => {
    const seed = await openSeedFor(t)
    const [self, victim] = [await createIdentity(true), await createIdentity(true)]
    const attempts = [
      { hostId: victim.hostId, publicKey: self.publicKey, signer: self },
      { hostId: victim.hostId, publicKey: victim.publicKey, signer: self },
      { hostId: self.hostId, publicKey: self.publicKey, signer: self, seedNonce: new Uint8Array(16) },
    ]
    for (const attempt of attempts) {
      const { received, isClosed } = await authenticateAs(seed, attempt)
      await until(isClosed)
      assert.equal(received.at(-1), 'refused')
    }
    assert.equal(seed.signaling.counters()['refused-unauthorized'], attempts.length)
    const { received } = await authenticateAs(seed, { ...self, signer: self })
    await until(() => received.at(-1) === 'welcome')
    assert.deepEqual(seed.signaling.hosts(), [self.hostId])
  })

  test('a second connection of a host replaces the first, but only after its proof', async t => {
    const seed = await openSeedFor(t)
    const a = await admittedHost(seed)
    const watcher = await admittedHost(seed)
    const impostor = await authenticateAs(seed, {
      ...a.identity,
      signer: await createIdentity(true),
    })
    await until(impostor.isClosed)
    assert.equal(seed.signaling.counters().replaced, undefined)
    const second = await authenticateAs(seed, { ...a.identity, signer: a.identity })
    await until(() => second.received.at(-1) === 'welcome')
    assert.equal(seed.signaling.counters().replaced, 1)
    assert(!watcher.events.includes(`left ${a.hostId}`), 'the host never left')
    a.close()
    watcher.close()
  })

  test('malformed bytes end the connection that sent them, and no other', async t => {
    const seed = await openSeedFor(t)
    const good = await admittedHost(seed)
    const identity = await createIdentity(true)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, isAdmitted) => {
        const client = isAdmitted
          ? await authenticateAs(seed, { ...identity, signer: identity })
          : await connectRaw(seed)
        if (isAdmitted) await until(() => client.received.includes('welcome'))
        client.socket.send(bytes)
        client.socket.send(Uint8Array.of(0xc1, 1, 2))
        await until(client.isClosed)
      }),
      { numRuns: 50 },
    )
    assert((seed.signaling.counters().malformed ?? 0) >= 50)
    assert(good.present().size <= 1)
    assert(good.signaling.sendEnvelope(good.hostId, Uint8Array.of(1)) === false)
    good.close()
  })

  test('a client that never proves anything, or sends too much at once, is dropped', async t => {
    const seed = await openSeedFor(t, { limits: { authenticationMs: 50 } })
    const idle = await connectRaw(seed)
    await until(idle.isClosed)
    assert.equal(seed.signaling.counters()['unauthenticated-timeout'], 1)
    const large = await connectRaw(seed)
    large.socket.send(new Uint8Array(100_000))
    await until(large.isClosed)
    assert.equal(seed.signaling.counters()['socket-error'], 1)
  })

  test('connections are limited per address and in all, and Origins are judged', async t => {
    const seed = await openSeedFor(t, { limits: { connectionsPerAddressMax: 2 } })
    const [a, b, c] = [await connectRaw(seed), await connectRaw(seed), await connectRaw(seed)]
    await until(c.isClosed)
    assert.equal(seed.signaling.counters()['connections-refused'], 1)
    a.socket.close()
    await until(a.isClosed)
    // The server may hear of it a moment later than we do.
    await until(() => seed.signaling.counters()['connections-refused'] === 1)
    assert.equal(b.isClosed(), false)
    const strict = await openSeedFor(t, { allowOrigin: origin => origin === 'http://localhost' })
    const refused = await connectRaw(strict)
    await until(refused.isClosed)
    assert.equal(strict.signaling.counters()['origin-refused'], 1)
  })

  test('a host that sends too fast is made to wait, and nothing of it is lost', async t => {
    const seed = await openSeedFor(t, { limits: { messagesPerSecond: 1000, messagesBurst: 10 } })
    const [a, b] = [await admittedHost(seed), await admittedHost(seed)]
    await until(() => a.present().has(b.hostId))
    for (let i = 0; i < 100; i++) a.signaling.sendRelayed(b.hostId, Uint8Array.of(i))
    await until(() => b.events.length === 100)
    assert((seed.signaling.counters().throttled ?? 0) > 0)
    a.close()
    b.close()
  })

  test('a consumer that does not read is dropped before it fills the memory', async t => {
    const seed = await openSeedFor(t, { limits: { bufferedBytesMax: 256 * 1024 } })
    const [a, b] = [await admittedHost(seed), await admittedHost(seed)]
    await until(() => a.present().has(b.hostId))
    // A process that is stopped reads nothing, and its socket stays open.
    const deaf = fork(new URL('./deaf-child.ts', import.meta.url), [seed.url], {
      execArgv: ['--import', 'tsx'],
    })
    t.after(() => deaf.kill('SIGKILL'))
    const [deafId] = await once(deaf, 'message')
    await until(() => a.present().has(deafId))
    deaf.kill('SIGSTOP')
    await until(() => {
      for (let i = 0; i < 20; i++) a.signaling.sendRelayed(deafId, new Uint8Array(60_000))
      return seed.signaling.counters()['slow-consumer'] === 1
    })
    await until(() => !a.present().has(deafId))
    assert(a.present().has(b.hostId))
    a.close()
    b.close()
  })
})

const anybody = 'f'.repeat(20)
const ofFirst = '1'.repeat(32)
const ofSecond = '2'.repeat(32)

describe('the founding', () => {
  test('is neither granted nor taken over under a name that no host could speak under', async t => {
    const memory = memoryFoundingStore()
    const seed = await openSeedFor(t, { founding: memory })
    for (const deployment of ['first', `${ofFirst}0`, ofFirst.replace('1', 'A'), `${ofFirst.slice(1)}\n`]) {
      const [asker, member] = await Promise.all([host(seed), host(seed)])
      const asked = asker.signaling.found(deployment, AbortSignal.timeout(100))
      member.signaling.belong({ founder: anybody, deployment }, () => undefined)
      await assert.rejects(asked, { name: 'TimeoutError' })
      assert.equal(await memory.load(), undefined)
      for (const one of [asker, member]) one.close()
    }
    assert((seed.signaling.counters().malformed ?? 0) > 0)
  })

  test('is granted once among many that ask at the same moment', async t => {
    const seed = await openSeedFor(t)
    const hosts = await Promise.all(Array.from({ length: 5 }, () => host(seed)))
    const grants = await Promise.all(
      hosts.map(({ signaling }, n) => signaling.found(`${n}`.repeat(32), never)),
    )
    for (const grant of grants) assert.deepEqual(grant, grants[0])
    const winner = hosts.findIndex(({ hostId }) => hostId === grants[0]?.founder)
    assert.equal(grants[0]?.deployment, `${winner}`.repeat(32))
    for (const one of hosts) one.close()
  })

  test('is not granted to who only asks; that one hears of it when somebody founds', async t => {
    const seed = await openSeedFor(t)
    const [curious, founder] = await Promise.all([host(seed), host(seed)])
    const given = curious.signaling.found(undefined, AbortSignal.timeout(50))
    await assert.rejects(given, { name: 'TimeoutError' })
    const again = curious.signaling.found(undefined, never)
    const grant = await founder.signaling.found(ofFirst, never)
    assert.deepEqual(await again, grant)
    assert.deepEqual(await curious.signaling.found(undefined, never), grant)
    for (const one of [curious, founder]) one.close()
  })

  test('is known again to a seed that lost its record from the first host that belongs to it', async t => {
    const grant = { founder: anybody, deployment: ofFirst }
    const told: string[] = []
    const memory = memoryFoundingStore()
    const seed = await openSeedFor(t, {
      founding: memory,
      onForeign: (from, theirs, standing) => told.push(`${from} ${theirs.deployment} ${standing.deployment}`),
    })
    const [member, fresh] = await Promise.all([host(seed), host(seed)])
    const heard: string[] = []
    member.signaling.belong(grant, standing => heard.push(standing.deployment))
    await until(() => heard.length === 1)
    assert.deepEqual(await fresh.signaling.found(ofSecond, never), grant)
    assert.deepEqual(await memory.load(), grant)
    member.signaling.reconnect()
    await until(() => heard.length === 2)
    assert.deepEqual([heard, told], [[ofFirst, ofFirst], []])
    for (const one of [member, fresh]) one.close()
  })

  test('of another cluster of the same name is told to its host and to the seed, each time that it comes', async t => {
    const told: string[] = []
    const seed = await openSeedFor(t, {
      onForeign: (from, theirs, standing) => told.push(`${from} ${theirs.deployment} ${standing.deployment}`),
    })
    const [founder, member] = await Promise.all([host(seed), host(seed)])
    const grant = await founder.signaling.found(ofSecond, never)
    const heard: string[] = []
    member.signaling.belong({ founder: anybody, deployment: ofFirst }, standing =>
      heard.push(standing.deployment),
    )
    await until(() => heard.length === 1)
    member.signaling.reconnect()
    await until(() => heard.length === 2)
    assert.deepEqual(heard, [ofSecond, ofSecond])
    assert.deepEqual(told, Array(2).fill(`${member.hostId} ${ofFirst} ${ofSecond}`))
    assert.equal(seed.signaling.counters().foreign, 2)
    assert.deepEqual(await member.signaling.found(undefined, never), grant)
    for (const one of [founder, member]) one.close()
  })

  test('is granted to nobody by a seed that joins, until a host that belongs to the cluster comes', async t => {
    const seed = await openSeedFor(t, { mayFound: false })
    const [fresh, member] = await Promise.all([host(seed), host(seed)])
    await assert.rejects(fresh.signaling.found(ofSecond, AbortSignal.timeout(50)), { name: 'TimeoutError' })
    const asked = fresh.signaling.found(ofSecond, never)
    const grant = { founder: anybody, deployment: ofFirst }
    member.signaling.belong(grant, () => undefined)
    assert.deepEqual(await asked, grant)
    for (const one of [fresh, member]) one.close()
  })

  test('is answered only when it is durable, and a failure to store it is no grant', async t => {
    const memory = memoryFoundingStore()
    let failures = 1
    const errors: unknown[] = []
    const seed = await openSeedFor(t, {
      founding: {
        load: () => memory.load(),
        async save(grant) {
          if (failures-- > 0) throw new Error('disk full')
          await memory.save(grant)
        },
      },
      onError: error => errors.push(error),
    })
    const a = await host(seed)
    const grant = await a.signaling.found(ofFirst, never)
    assert.deepEqual(grant, { founder: a.hostId, deployment: ofFirst })
    assert.equal(errors.length, 1)
    a.close()
  })

  test('that cannot be read keeps nobody away who does not ask for it', async t => {
    const errors: unknown[] = []
    const load = () => Promise.reject(new Error('damaged'))
    const founding = { load, save: () => Promise.resolve() }
    const seed = await openSeedFor(t, { founding, onError: error => errors.push(error) })
    const [a, b] = await Promise.all([host(seed), host(seed)])
    await until(() => b.present().has(a.hostId))
    a.signaling.belong({ founder: anybody, deployment: ofFirst }, () => undefined)
    await until(() => errors.length === 1)
    b.signaling.sendEnvelope(a.hostId, Uint8Array.of(1))
    await until(() => a.events.includes('envelope 1'))
    assert(!b.events.includes(`left ${a.hostId}`))
    for (const one of [a, b]) one.close()
  })

  test('waits for a seed that is not there yet, until it is aborted', async t => {
    const first = await openSeed()
    await first.close()
    const a = await host(first)
    const stop = new AbortController()
    const asked = a.signaling.found(ofFirst, stop.signal)
    const given = assert.rejects(a.signaling.found(ofFirst, AbortSignal.timeout(20)), {
      name: 'TimeoutError',
    })
    await given
    const seed = await openSeed({}, Number(new URL(first.url).port))
    t.after(() => seed.close())
    assert.equal((await asked).founder, a.hostId)
    a.close()
  })

  test('survives a seed that is killed right after its answer', async t => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-founding-'))
    t.after(() => rm(directory, { recursive: true }))
    for (let i = 0; i < 3; i++) {
      const path = join(directory, `founding-${i}.json`)
      const child = fork(new URL('./founding-child.ts', import.meta.url), [path], {
        execArgv: ['--import', 'tsx'],
      })
      const [granted] = await once(child, 'message')
      child.kill('SIGKILL')
      await once(child, 'exit')
      assert.deepEqual(await fileFoundingStore(path).load(), granted)
    }
  })

  test('a damaged record is reported, never granted anew', async t => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-founding-'))
    t.after(() => rm(directory, { recursive: true }))
    const path = join(directory, 'founding.json')
    assert.equal(await fileFoundingStore(path).load(), undefined)
    await fileFoundingStore(path).save({ founder: anybody, deployment: ofFirst })
    assert.equal(await readFile(path, 'utf8'), `{"founder":"${anybody}","deployment":"${ofFirst}"}\n`)
    const wrong = [
      `{"founder":1,"deployment":"${ofFirst}"}`,
      `{"founder":"f","deployment":"${ofFirst}"}`,
      `{"founder":"${anybody}","deployment":"${ofFirst.slice(1)}"}`,
    ]
    for (const damage of ['', '{', 'null', ...wrong]) {
      await writeFile(path, damage)
      await assert.rejects(fileFoundingStore(path).load(), { code: 'STORAGE_CORRUPT' })
    }
  })
})

interface Client {
  readonly hostId: string
  readonly identity: Identity
  readonly signaling: Signaling
  readonly events: string[]
  present(): ReadonlySet<string>
  close(): void
}

async function openSeedFor(t: TestContext, options: Partial<SignalingOptions> = {}): Promise<TestSeed> {
  const seed = await openSeed(options)
  t.after(() => seed.close())
  return seed
}

async function host(
  seed: Pick<TestSeed, 'url'>,
  options: { cluster?: string; secret?: string; identity?: Identity } = {},
): Promise<Client> {
  const identity = options.identity ?? (await createIdentity(true))
  const signaling = new Signaling({
    urls: [seed.url],
    identity,
    keys: await deriveClusterKeys(options.cluster ?? cluster, options.secret ?? secret),
    openSocket: openNodeSocket,
    timers: realTimers,
    random: seededRandom(1),
    counters: new Counters(),
  })
  const events: string[] = []
  signaling.start({
    envelope: bytes => events.push(`envelope ${bytes}`),
    relayed: (from, payload) => events.push(`relayed ${from} ${payload}`),
    joined: hostId => events.push(`joined ${hostId}`),
    left: hostId => events.push(`left ${hostId}`),
  })
  return {
    hostId: identity.hostId,
    identity,
    signaling,
    events,
    present: () => signaling.present(),
    close: () => signaling.close(new QuorateError('CLOSED', 'The test is over.')),
  }
}

/** A host that is admitted already. */
async function admittedHost(seed: TestSeed): Promise<Client> {
  const client = await host(seed)
  // An answer shows that everything before it was heard, too.
  await client.signaling.found(ofFirst, never)
  client.events.length = 0
  return client
}

async function connectRaw(seed: TestSeed, onMessage: (socket: Socket, bytes: Uint8Array) => void = () => {}) {
  const received: string[] = []
  let isClosed = false
  let isOpen = false
  const socket = openNodeSocket(seed.url, {
    open: () => {
      isOpen = true
    },
    message: bytes => {
      received.push(decodeSeedMessage(bytes).type)
      onMessage(socket, bytes)
    },
    closed: () => {
      isClosed = true
    },
  })
  await until(() => isOpen || isClosed)
  return { socket, received, isClosed: () => isClosed }
}

/** Says hello by hand, with whatever somebody hostile would say. */
async function authenticateAs(
  seed: TestSeed,
  as: {
    readonly hostId: string
    readonly publicKey: Uint8Array
    readonly signer: Identity
    readonly seedNonce?: Uint8Array
  },
) {
  const keys = await deriveClusterKeys(cluster, secret)
  const nonce = new Uint8Array(16)
  return connectRaw(seed, async (socket, bytes) => {
    const message = decodeSeedMessage(bytes)
    if (message.type !== 'challenge') return
    const { hostId, publicKey } = as
    const bound = { cluster, hostId, seedNonce: as.seedNonce ?? message.nonce, nonce }
    const proven = admissionText('host', bound)
    const [proof, signature] = [await keys.admission.mac(proven), await as.signer.sign(proven)]
    socket.send(
      encodeHostMessage({ type: 'authenticate', cluster, hostId, publicKey, nonce, proof, signature }),
    )
  })
}

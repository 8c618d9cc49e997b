import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isQuorateError, type QuorateError } from '../../src/core/error.ts'
import type { Host } from '../../src/engine/host/host.ts'
import type { Store } from '../../src/engine/store/store.ts'
import { openHost } from '../../src/node.ts'
import { type Seed, type SeedOptions, startSeed } from '../../src/server/seed.ts'
import { Cleanup } from './cleanup.ts'

const secret = 'shared'

interface Member {
  readonly host: Host
  readonly store: Store
}

/** A seed whose folder can be lost, at one address all the time. */
class Place {
  readonly cleanup: Cleanup
  readonly foreign: QuorateError[] = []
  private readonly data: string
  private port = 0

  constructor(cleanup: Cleanup, folder: string) {
    this.cleanup = cleanup
    this.data = join(folder, 'seed')
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async start(options: SeedOptions = {}): Promise<Seed> {
    const onForeign = (error: QuorateError) => this.foreign.push(error)
    const seed = await startSeed({ port: this.port, data: this.data, secret, onForeign, ...options })
    this.cleanup.defer(() => seed.close())
    this.port = Number(new URL(seed.url).port)
    return seed
  }

  lose(): Promise<void> {
    return rm(this.data, { recursive: true })
  }

  async host(options: { readonly data?: string } = {}): Promise<Host> {
    const host = await openHost({ cluster: 'demo', secret, seeds: [this.url], webrtc: 'off', ...options })
    this.cleanup.defer(() => host.close())
    return host
  }

  async member(options: { readonly data?: string } = {}): Promise<Member> {
    const host = await this.host(options)
    return { host, store: await host.store() }
  }
}

async function place(cleanup: Cleanup): Promise<Place> {
  return new Place(cleanup, await cleanup.folder())
}

/** Resolves with the next word of a seed that knows another founding. */
function toldForeign(host: Host): Promise<QuorateError> {
  return new Promise(resolve => host.on('foreign', resolve))
}

/** Two members and the seed's host vote; then the seed ends, and its folder goes. */
async function threeWithoutSeed(at: Place): Promise<[Member, Member]> {
  const seed = await at.start()
  const ada = await at.member()
  const bob = await at.member()
  await ada.store.promote([ada.host.id, bob.host.id])
  await ada.store.put('key', 'kept')
  await seed.close()
  await at.lose()
  return [ada, bob]
}

test('a seed that founds anew and the members of the older cluster hear of each other, and mix nothing', async t => {
  const at = await place(new Cleanup(t))
  const [ada, bob] = await threeWithoutSeed(at)
  const told = Promise.all([toldForeign(ada.host), toldForeign(bob.host)])
  const seed = await at.start()
  for (const error of await told) {
    assert(isQuorateError(error, 'WRONG_CLUSTER'))
    assert.match(error.message, /--join/)
  }
  assert.equal(at.foreign.length, 1, 'once for each founding, however many hosts are of it')
  assert(isQuorateError(at.foreign[0], 'WRONG_CLUSTER'))
  assert.match(at.foreign[0]?.message ?? '', /--join/)
  // Both clusters go on, each by itself.
  await ada.store.put('key', 'newer', { deadlineMs: 20_000 })
  const own = await seed.host?.store()
  assert.equal(await own?.get('key'), undefined)
  await own?.put('key', 'of the other one')
  assert.equal(await bob.store.get('key'), 'newer')
  assert.notEqual(seed.host?.deployment, ada.host.deployment)
})

test('a seed that lost its folder comes back to its members with join, under a new name', async t => {
  const at = await place(new Cleanup(t))
  const [ada] = await threeWithoutSeed(at)
  const seed = await at.start({ join: true })
  const own = await seed.host?.store('main', { deadlineMs: 20_000 })
  assert.equal(await own?.get('key'), 'kept')
  assert.equal(seed.host?.deployment, ada.host.deployment)
  const roles = (await ada.store.members()).filter(({ hostId }) => hostId === seed.host?.id)
  assert.deepEqual(
    roles.map(({ role }) => role),
    ['learner'],
  )
  const late = await at.member()
  assert.equal(await late.store.get('key'), 'kept')
  assert.deepEqual(at.foreign, [])
  // Join is for a folder that knows nothing: it changes nothing of one that does.
  await seed.close()
  const again = await at.start({ join: true })
  assert.equal(again.host?.id, seed.host?.id)
})

test('a seed that joins grants no founding to whoever comes first', async t => {
  const at = await place(new Cleanup(t))
  const [ada] = await threeWithoutSeed(at)
  await at.start({ join: true, signalOnly: true })
  const late = await at.member()
  assert.equal(late.host.deployment, ada.host.deployment)
})

test('a witness that lost its folder comes back to its members as a new replica', async t => {
  const at = await place(new Cleanup(t))
  // Only introduces the first two, at the address where the witness will be.
  const first = await at.start({ signalOnly: true })
  const ada = await at.member()
  const bob = await at.member()
  await first.close()
  const witness = await at.start({ witness: true })
  assert.equal(witness.hasLeader, true)
  await ada.store.promote([bob.host.id, witness.host?.id ?? ''])
  await witness.close()
  await at.lose()
  const second = await at.start({ witness: true })
  await second.host?.store('main', { deadlineMs: 20_000 })
  const members = await ada.store.members()
  const found = members.find(({ hostId }) => hostId === second.host?.id)
  assert.deepEqual([found?.role, found?.witness], ['learner', true])
  const old = members.find(({ hostId }) => hostId === witness.host?.id)
  assert(found !== undefined && old !== undefined && found.replica > old.replica)
})

test('a learner whose only voter founded anew is told so in place of an answer', async t => {
  const at = await place(new Cleanup(t))
  const first = await at.start()
  const data = await at.cleanup.folder()
  const before = await at.member({ data })
  await before.host.close()
  await first.close()
  await at.lose()
  await at.start()
  const host = await at.host({ data })
  const told = toldForeign(host)
  const store = await host.store('main', { waitForLeader: false })
  await told
  const opened = host.store('main', { deadlineMs: 300 })
  await assert.rejects(opened, error => isQuorateError(error, 'WRONG_CLUSTER') && !error.retryable)
  assert.equal(store.status().leader, undefined)
})

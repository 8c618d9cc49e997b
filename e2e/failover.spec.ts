// Three voters: the seed and two promoted tabs. Any one of them may go.

import { isQuorateError } from '../src/index.ts'
import { eventually, expect, test } from './helpers/fixtures.ts'
import { persistedHardState } from './helpers/hard-state.ts'
import { Tab } from './helpers/tab.ts'

/** Half of the time after which a voter at the earliest would notice by itself that the leader is gone. */
const atOnceMs = 1000

test.beforeEach(async ({ ada, bob }) => {
  const members = await ada.store.promote([ada.hostId, bob.hostId])
  expect(members.map(({ role }) => role)).toEqual(['voter', 'voter', 'voter'])
  await eventually(() => ada.pathTo(bob.hostId)).toBe('direct')
})

test('two tabs go on without the seed, directly; one alone refuses, until another is back', async ({
  seed,
  ada,
  bob,
  bobProfile,
}) => {
  await seed.kill()
  await ada.store.put('written', 'without the seed')
  expect(await bob.store.get('written')).toBe('without the seed')
  expect(await bob.pathTo(ada.hostId)).toBe('direct')
  expect([ada.hostId, bob.hostId]).toContain((await ada.status()).leader)

  await bob.close()
  expect(['NO_LEADER', 'OUTCOME_UNKNOWN']).toContain(
    await refusal(ada.store.put('alone', true, { deadlineMs: 1000 })),
  )
  // Whether or not it led: by now it knows that nobody follows.
  await eventually(async () => (await ada.status()).leader).toBeUndefined()
  expect(await refusal(ada.store.put('refused', true, { deadlineMs: 500 }))).toBe('NO_LEADER')
  expect(await refusal(ada.store.get('written', { deadlineMs: 500 }))).toBe('NO_LEADER')
  expect(await ada.store.get('written', { consistency: 'stale' })).toBe('without the seed')

  await seed.start()
  await ada.store.put('written', 'with the seed')
  const again = await Tab.open(bobProfile, seed.url)
  expect(again.hostId).toBe(bob.hostId)
  expect(await again.store.get('written')).toBe('with the seed')
  expect(await again.store.get('refused'), 'refused means not written').toBeUndefined()
  await again.close()
})

test('a tab that voted and is loaded anew is the same replica and remembers its vote', async ({
  seed,
  ada,
  bob,
}) => {
  await seed.kill()
  await ada.store.put('elected', true)
  await seed.start()
  // It is preferred, so a tab that led while it was away hands over to it, and nobody votes after that.
  const tabs = [ada, bob]
  const isTab = (host: string | undefined) => tabs.some(({ hostId }) => hostId === host)
  await eventually(async () => isTab((await ada.status()).leader ?? ada.hostId)).toBe(false)
  const { leader, term } = await ada.status()
  // One of them voted for it, as two of three did, and has heard by now of what it won.
  const voters: Tab[] = []
  await eventually(async () => {
    for (const tab of tabs) {
      const state = await persistedHardState(tab)
      if (state.term === term && state.vote > 0) voters.push(tab)
    }
    return voters.length
  }).toBeGreaterThan(0)
  const follower = voters[0] ?? ada
  const before = await persistedHardState(follower)
  const { replica, members } = await follower.status()
  await follower.reload()
  expect(await persistedHardState(follower)).toMatchObject({ term, vote: before.vote })
  expect(await follower.status()).toMatchObject({ replica, members, leader })
})

test('a seed that is asked to end hands its leadership to a tab, and the tabs go on at once', async ({
  seed,
  api,
  ada,
  bob,
}) => {
  const { host, term } = await api.status()
  expect((await ada.status()).leader).toBe(host)
  const askedAt = performance.now()
  const ended = seed.stop()
  await eventually(async () => (await ada.status()).leader).not.toBe(host)
  await ada.store.put('after', 'the seed')
  expect(performance.now() - askedAt).toBeLessThan(atOnceMs)
  expect(await ended).toBe(0)
  expect(await bob.store.get('after')).toBe('the seed')
  const status = await ada.status()
  expect([ada.hostId, bob.hostId]).toContain(status.leader)
  expect(status.term, 'one election, called by the seed').toBe(term + 1)
})

/** The code with which a call was refused. */
async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    if (isQuorateError(error)) return error.code
    throw error
  }
  return 'nothing was refused'
}

// Two tabs in two browsers, and a seed: one cluster.

import type { Checked } from '../src/index.ts'
import { eventually, expect, test } from './helpers/fixtures.ts'
import { connected } from './helpers/seed-api.ts'

test('two tabs and the seed are one cluster: the seed votes, the tabs follow it, connected directly', async ({
  api,
  ada,
  bob,
}) => {
  const { host: seedId, deployment } = await api.status()
  const members = await api.members()
  expect(members.map(({ hostId, role, wanted }) => [hostId, role, wanted])).toEqual([
    [seedId, 'voter', 'voter'],
    [ada.hostId, 'learner', 'learner'],
    [bob.hostId, 'learner', 'learner'],
  ])
  for (const tab of [ada, bob]) {
    expect(await tab.store.members()).toEqual(members)
    expect(await tab.status()).toMatchObject({ role: 'learner', leader: seedId })
    expect((await tab.info()).deployment).toBe(deployment)
    await eventually(() => tab.pathTo(seedId)).toBe('direct')
  }
})

test('a write in one tab is watched in the other, in order and with its revision', async ({ ada, bob }) => {
  const watch = await bob.watch({ prefix: 'user/' })
  const first = await ada.store.put('user/ada', { name: 'Ada' })
  await ada.store.put('elsewhere', 1)
  const second = await ada.store.delete('user/ada')
  const put = { createRevision: first.revision, version: 1, last: true }
  const deleted = { createRevision: 0, version: 0, last: true }
  expect(await watch.take(2)).toEqual([
    { type: 'put', key: 'user/ada', value: { name: 'Ada' }, revision: first.revision, ...put },
    { type: 'delete', key: 'user/ada', value: undefined, revision: second.revision, ...deleted },
  ])
  expect(await bob.store.get('elsewhere')).toBe(1)
})

test('of 200 races to insert one key, from two tabs and over HTTP, each has exactly one winner', async ({
  api,
  ada,
  bob,
}) => {
  const keys = Array.from({ length: 200 }, (_, race) => `race/${race}`)
  // Each begins elsewhere: whoever is nearest to the leader would win all of them otherwise.
  const answers = await Promise.all([
    ada.session.evaluate(insertAll, { keys, value: 'ada' }),
    bob.session.evaluate(insertAll, { keys: rotated(keys, 67), value: 'bob' }),
    insertAll({ store: api }, { keys: rotated(keys, 134), value: 'http' }),
  ])
  const wins = answers.flat().filter(({ ok }) => ok)
  expect(wins.map(({ key }) => key).sort()).toEqual([...keys].sort())
  const winners = new Map(wins.map(({ key, value }) => [key, value]))
  for (const { key, value } of answers.flat()) expect(value, `who won ${key}`).toBe(winners.get(key))
  expect(await api.scan('race/')).toEqual(await bob.store.scan({ prefix: 'race/' }))
})

test('a tab that is loaded anew is the same host, with the same replica and its data', async ({
  ada,
  bob,
}) => {
  await bob.store.put('kept', 'here')
  expect(await ada.store.get('kept')).toBe('here')
  const [hostId, before, members] = [ada.hostId, await ada.status(), await ada.store.members()]
  await ada.reload()
  expect(ada.hostId).toBe(hostId)
  expect(await ada.store.get('kept', { consistency: 'stale' })).toBe('here')
  const after = await ada.status()
  expect(after).toMatchObject({ replica: before.replica, term: before.term, role: 'learner' })
  expect(await ada.store.members()).toEqual(members)
})

test('a tab that is closed is missed by the others within a second', async ({ api, ada, bob }) => {
  await ada.store.promote([ada.hostId, bob.hostId])
  await eventually(() => ada.pathTo(bob.hostId)).toBe('direct')
  const missed = ada.lost(bob.hostId)
  const closedAt = performance.now()
  await bob.close()
  await missed
  await eventually(async () => connected(await api.status())).toEqual([ada.hostId])
  expect(performance.now() - closedAt).toBeLessThan(1000)
})

interface Racer {
  readonly store: { insert(key: string, value: string): Promise<Checked> }
}

/** Inserts at once, the keys in their order. Runs in a page, too. */
function insertAll(
  { store }: Racer,
  { keys, value }: { readonly keys: readonly string[]; readonly value: string },
) {
  return Promise.all(keys.map(async key => ({ key, ...(await store.insert(key, value)) })))
}

function rotated(keys: readonly string[], by: number): readonly string[] {
  return [...keys.slice(by), ...keys.slice(0, by)]
}

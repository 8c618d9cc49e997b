// A seed without a store: it introduces hosts to each other, and grants the founding.

import { eventually, expect, test } from './helpers/fixtures.ts'
import { Tab } from './helpers/tab.ts'
import { writeInTab } from './helpers/writer.ts'

test.use({ seedWords: ['--signal-only'] })

test('the first tab founds the cluster, the second joins it, and each sees what the other writes', async ({
  ada,
  bob,
}) => {
  const members = await bob.store.members()
  expect(members.map(({ hostId, role }) => [hostId, role])).toEqual([
    [ada.hostId, 'voter'],
    [bob.hostId, 'learner'],
  ])
  await eventually(() => bob.pathTo(ada.hostId)).toBe('direct')
  const watches = await Promise.all([ada, bob].map(tab => tab.watch({ prefix: 'say/' })))
  await ada.store.put('say/ada', 1)
  await bob.store.put('say/bob', 2)
  for (const watch of watches) {
    expect((await watch.take(2)).map(({ key, value }) => [key, value])).toEqual([
      ['say/ada', 1],
      ['say/bob', 2],
    ])
  }
})

test('tabs do without the seed, and when it is back its founding still stands', async ({
  seed,
  ada,
  bob,
  bobProfile,
}) => {
  await eventually(() => bob.pathTo(ada.hostId)).toBe('direct')
  await seed.kill()
  await bob.store.put('meanwhile', 'written')
  expect(await ada.store.get('meanwhile')).toBe('written')
  await seed.start()
  // A host that has never been here asks for the founding: it is told who has it, and who can let it in.
  const guest = await Tab.open(bobProfile, seed.url)
  expect([ada.hostId, bob.hostId]).not.toContain(guest.hostId)
  expect((await guest.info()).deployment).toBe((await ada.info()).deployment)
  expect(await guest.store.get('meanwhile')).toBe('written')
  await guest.close()
})

test('a tab that is the only voter has all that it acknowledged when its browser has crashed', async ({
  seed,
  ada,
  adaProfile,
  bob,
}) => {
  const writer = await writeInTab(ada, 'by/')
  await eventually(async () => (await writer.acknowledged()).length).toBeGreaterThan(50)
  const acknowledged = await writer.acknowledged()
  await adaProfile.crash()
  const again = await Tab.open(adaProfile, seed.url)
  expect(again.hostId).toBe(ada.hostId)
  expect(await again.status()).toMatchObject({ role: 'leader', replica: 1 })
  const entries = await again.store.scan({ prefix: 'by/' })
  expect(entries.map(({ key }) => key)).toEqual(expect.arrayContaining([...acknowledged]))
  expect(await bob.store.scan({ prefix: 'by/' })).toEqual(entries)
  await again.close()
})

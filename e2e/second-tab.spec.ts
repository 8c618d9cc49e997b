// A profile has one disk, and so one member: its further tabs work through the others.

import { expect, test } from './helpers/fixtures.ts'
import { Tab } from './helpers/tab.ts'

test('a second tab of a browser is a client, outlives the first tab, and can take its place', async ({
  seed,
  ada,
  adaProfile,
  bob,
}) => {
  const second = await Tab.open(adaProfile, seed.url)
  expect(await second.status()).toMatchObject({ role: 'client' })
  expect(await bob.store.members(), 'a client is no member').toHaveLength(3)

  const watch = await second.watch({ prefix: 'note/' })
  await second.store.put('note/1', 'by the client')
  expect(await ada.store.get('note/1')).toBe('by the client')
  await ada.close()
  await second.store.put('note/2', 'through the others')
  expect(await bob.store.get('note/2')).toBe('through the others')
  await bob.store.delete('note/1')
  expect((await watch.take(3)).map(({ type, key }) => [type, key])).toEqual([
    ['put', 'note/1'],
    ['put', 'note/2'],
    ['delete', 'note/1'],
  ])

  await second.reload()
  expect(second.hostId).toBe(ada.hostId)
  expect(await second.status()).toMatchObject({ role: 'learner' })
  await second.close()
})

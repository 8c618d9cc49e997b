// The seed is the only voter, and ends as by a power cut.

import { eventually, expect, test } from './helpers/fixtures.ts'
import { connected } from './helpers/seed-api.ts'
import { type Writer, writeInTab, writeOverHttp } from './helpers/writer.ts'

test('a seed that is killed and started again has lost nothing that was acknowledged', async ({
  seed,
  api,
  ada,
  bob,
}) => {
  const before = await api.status()
  const inTabs = [await writeInTab(ada, 'ada/'), await writeInTab(bob, 'bob/')]
  const overHttp = writeOverHttp(api, 'http/')
  await Promise.all([...inTabs, overHttp].map(acknowledgesMore))
  await seed.kill()
  await seed.start()
  // The tabs find back by themselves, and their writes go on where they were.
  const again = writeOverHttp(api, 'again/')
  await Promise.all([...inTabs, again].map(acknowledgesMore))
  const writers = [...inTabs, overHttp, again]
  await Promise.all(writers.map(writer => writer.stop()))

  const acknowledged = (await Promise.all(writers.map(writer => writer.acknowledged()))).flat()
  for (const entries of await Promise.all([ada.store.scan(), bob.store.scan(), api.scan('')])) {
    const kept = new Set(entries.map(({ key }) => key))
    expect(acknowledged.filter(key => !kept.has(key))).toEqual([])
  }
  expect(await api.status()).toMatchObject({
    host: before.host,
    replica: before.replica,
    deployment: before.deployment,
    members: before.members,
  })
  await eventually(async () => [...connected(await api.status())].sort()).toEqual(
    [ada.hostId, bob.hostId].sort(),
  )
})

async function acknowledgesMore(writer: Writer): Promise<void> {
  const before = (await writer.acknowledged()).length
  await eventually(async () => (await writer.acknowledged()).length).toBeGreaterThan(before + 20)
}

// The page that people see.

import { expect, test } from './helpers/fixtures.ts'

test('a key that is written, edited or deleted in one tab shows in the other, and nobody complains', async ({
  ada,
  bob,
}, testInfo) => {
  const there = bob.page.getByRole('row').filter({ hasText: 'colour' })
  await ada.page.getByLabel('Key', { exact: true }).fill('colour')
  await ada.page.getByLabel('Value', { exact: true }).fill('"green"')
  await ada.page.getByRole('button', { name: 'Put' }).click()
  await expect(ada.page.locator('#keys-message')).toContainText('colour was written')
  await expect(there).toContainText('"green"')

  await bob.page.getByRole('button', { name: 'Edit colour' }).click()
  await bob.page.getByLabel('Value of colour').fill('{"red":255}')
  await bob.page.getByLabel('Value of colour').press('Enter')
  await expect(ada.page.getByRole('button', { name: 'Edit colour' })).toHaveText('{"red":255}')

  for (const { page } of [ada, bob]) await page.getByRole('button', { name: 'Add 1', exact: true }).click()
  for (const { page } of [ada, bob]) await expect(page.locator('#counter-value')).toHaveText('2')

  for (const [name, { page }] of Object.entries({ ada, bob })) {
    await page.screenshot({ path: testInfo.outputPath(`${name}.png`), fullPage: true })
  }
  await ada.page.getByRole('button', { name: 'Delete colour' }).click()
  await expect(there).toHaveCount(0)
  expect([...ada.complaints, ...bob.complaints]).toEqual([])
})

test('what was refused stays in its field, and a long value does not fill the page', async ({ ada }) => {
  const value = ada.page.getByLabel('Value', { exact: true })
  await ada.page.getByLabel('Key', { exact: true }).fill('long')
  await value.fill('{"half":')
  await ada.page.getByRole('button', { name: 'Put' }).click()
  await expect(ada.page.locator('#keys-message')).toContainText('begins like JSON')
  await expect(value).toHaveValue('{"half":')
  await value.fill('x'.repeat(5_000))
  await ada.page.getByRole('button', { name: 'Put' }).click()
  const shown = ada.page.getByRole('button', { name: 'Edit long' })
  await expect(shown).toHaveText(`"${'x'.repeat(198)} …`)
  await expect(value).toHaveValue('')
  await shown.click()
  await expect(ada.page.getByLabel('Value of long')).toHaveValue(`"${'x'.repeat(5_000)}"`)
})

test('the page shows who is in the cluster, how they are connected, and who leads', async ({
  api,
  ada,
  bob,
}) => {
  const { host } = await api.status()
  const members = ada.page.getByRole('list', { name: 'Members' })
  await expect(members.getByRole('listitem')).toHaveCount(3)
  const seed = members.getByRole('listitem').filter({ hasText: 'leader' })
  await expect(seed).toContainText('voter')
  await expect(seed).toContainText('direct')
  await expect(members.getByRole('listitem').filter({ hasText: 'you' })).toContainText('learner')
  await expect(ada.page.locator('#cluster-quorum')).toHaveText('1 voter, no loss tolerated')
  await ada.store.promote([ada.hostId, bob.hostId])
  await expect(ada.page.locator('#cluster-quorum')).toHaveText('3 voters, 1 may fail')
  expect((await ada.status()).leader).toBe(host)
})

test('the page shows who votes, stands by and leads, and hands leadership over', async ({
  api,
  ada,
  bob,
}) => {
  const { host } = await api.status()
  const members = ada.page.getByRole('list', { name: 'Members' })
  const row = (id: string) => members.getByRole('listitem').filter({ hasText: id.slice(0, 6) })
  await row(ada.hostId).getByRole('button', { name: 'Promote' }).click()
  await expect(row(ada.hostId)).toContainText('learner, stands by')
  await expect(row(ada.hostId).getByRole('button', { name: 'Let lead' })).toBeHidden()
  await row(bob.hostId).getByRole('button', { name: 'Promote' }).click()
  await expect(row(ada.hostId)).not.toContainText('stands by')
  await row(bob.hostId).getByRole('button', { name: 'Let lead' }).click()
  await expect(ada.page.locator('#members-message')).toHaveText(`Done: ${bob.hostId.slice(0, 6)} leads`)
  await expect(row(bob.hostId)).toContainText('leader')
  await expect(row(host)).not.toContainText('leader')
  await expect(row(bob.hostId).getByRole('button', { name: 'Let lead' })).toBeHidden()
})

// A page that nobody looks at: its timers are late, and it may be closed any moment. Others shall lead.

import { eventually, expect, test } from './helpers/fixtures.ts'
import { PlainBrowser } from './helpers/plain-browser.ts'

/** Half of the time after which a voter at the earliest would notice by itself that the leader is gone. */
const atOnceMs = 1000

test('a tab that leads hands over as soon as it is hidden, and goes on as a follower', async ({
  seed,
  ada,
  api,
}) => {
  const browser = await PlainBrowser.launch()
  try {
    const tab = await browser.open(seed.url)
    await eventually(() => tab.evaluate('document.documentElement?.dataset.quorate')).toBe('ready')
    const id = await tab.evaluate<string>('quorate.host.id')
    await ada.store.promote([ada.hostId, id])
    await ada.session.evaluate(({ store }, wanted) => store.transferLeadership(wanted), id)
    expect(await tab.evaluate('quorate.store.status().role')).toBe('leader')

    const { term } = await ada.status()
    const hiddenAt = performance.now()
    await browser.open('about:blank')
    await eventually(async () => (await ada.status()).leader).toBe((await api.status()).host)
    expect(performance.now() - hiddenAt).toBeLessThan(atOnceMs)
    expect((await ada.status()).term, 'one election, called by the tab').toBe(term + 1)
    expect(await tab.evaluate('document.visibilityState')).toBe('hidden')

    await ada.store.put('written', 'while it was hidden')
    expect(await tab.evaluate("quorate.store.get('written')")).toBe('while it was hidden')
  } finally {
    await browser.close()
  }
})

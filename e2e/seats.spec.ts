// A hall of 500 seats, booked by a command from three tabs, two of which are loaded anew and killed meanwhile: no seat
// is confirmed to two, and no confirmed booking is lost.

import type { BookedEvent } from '../demo/seats-panel.ts'
import { expect, test } from './helpers/fixtures.ts'
import type { Profile } from './helpers/profile.ts'
import { Tab } from './helpers/tab.ts'

const burst = 40
const rounds = 24

test('500 seats, three tabs that come and go: every seat once, every confirmed booking stands', async ({
  seed,
  ada,
  bob,
  adaProfile,
}) => {
  const confirmed: BookedEvent[] = []
  // In Ada's browser, so it is a client of whoever serves it.
  let carol = await Tab.open(adaProfile, seed.url)
  await ada.store.promote([ada.hostId, bob.hostId])
  for (const tab of [ada, bob, carol]) await report(tab, booking => confirmed.push(booking))

  for (let round = 0; round < rounds; round++) {
    // In flight: a tab that goes takes its answers along, and may have booked all the same.
    await Promise.all([ada, bob, carol].map(tab => click(tab, burst)))
    if (round % 8 === 3) {
      await bob.reload()
      await listen(bob)
    }
    if (round % 8 === 6)
      carol = await replace(carol, adaProfile, seed.url, booking => confirmed.push(booking))
  }

  await ada.store.barrier()
  const seats = confirmed.map(({ seat }) => seat)
  expect(seats.length, 'most of the hall was booked').toBeGreaterThan(300)
  expect(new Set(seats).size, 'no seat was confirmed twice').toBe(seats.length)
  for (const tab of [ada, bob, carol]) {
    const bookings = new Map(
      (await bookingsOf(tab)).map(({ key, value }) => [Number(key), (value as { by: string }).by]),
    )
    expect(bookings.size).toBeLessThanOrEqual(500)
    expect(
      confirmed.filter(({ seat, by }) => bookings.get(seat) !== by),
      'who was told that a seat is his has it',
    ).toEqual([])
  }
  await carol.close()
})

/** Hears of every booking that the page has the store's word for, for as long as the page lives. */
async function report(tab: Tab, booked: (booking: BookedEvent) => void): Promise<void> {
  await tab.page.exposeFunction('reportBooking', booked)
  await listen(tab)
}

/** To be done again in a document that was loaded anew. */
function listen(tab: Tab): Promise<void> {
  return tab.page.evaluate(() => {
    document.addEventListener('booked', event => {
      const { reportBooking } = globalThis as unknown as { reportBooking(booking: unknown): void }
      reportBooking((event as CustomEvent<unknown>).detail)
    })
  })
}

/** Clicks on seats at random, and waits for none of the answers. */
function click(tab: Tab, count: number): Promise<void> {
  return tab.page.evaluate(async clicks => {
    const seats = document.querySelectorAll<HTMLElement>('#seats button')
    for (let done = 0; done < clicks; done++) {
      seats[Math.floor(Math.random() * seats.length)]?.click()
      if (done % 8 === 7) await new Promise(resolve => setTimeout(resolve))
    }
  }, count)
}

/** The process of the page is gone at once; another tab takes its place. */
async function replace(
  tab: Tab,
  profile: Profile,
  url: string,
  booked: (booking: BookedEvent) => void,
): Promise<Tab> {
  const crashed = tab.page.waitForEvent('crash')
  void tab.page.goto('chrome://crash').catch(() => {})
  await crashed
  await tab.close()
  const next = await Tab.open(profile, url)
  await report(next, booked)
  return next
}

function bookingsOf(tab: Tab) {
  return tab.session.evaluate(({ store }) => store.table('seats').scan())
}

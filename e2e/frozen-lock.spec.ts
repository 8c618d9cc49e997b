// A tab that holds a lock and is frozen for longer than its lease: another one gets the lock, and what the first one
// writes with its old token when it wakes up is refused.

import type { Page } from '@playwright/test'
import type { Lock } from '../src/index.ts'
import { expect, test } from './helpers/fixtures.ts'

const ttlMs = 1500

declare global {
  var held: Lock | undefined
}

test('a holder that was frozen past its lease cannot write, and is told', async ({ seed: _, ada, bob }) => {
  const token = await bob.session.evaluate(async ({ store }, ttl) => {
    globalThis.held = await store.lock('printer', { ttlMs: ttl })
    await store.put('page', 'of bob', { fence: globalThis.held })
    return globalThis.held.token
  }, ttlMs)

  const { thaw } = await freeze(bob.page)
  const next = await ada.session.evaluate(async ({ store }, ttl) => {
    globalThis.held = await store.lock('printer', { ttlMs: ttl })
    await store.put('page', 'of ada', { fence: globalThis.held })
    return globalThis.held.token
  }, ttlMs)
  expect(next, 'tokens grow').toBeGreaterThan(token)
  await thaw()

  const outcome = await bob.session.evaluate(async ({ store }) => {
    const fence = globalThis.held
    try {
      await store.put('page', 'of bob, late', fence && { fence })
      return 'written'
    } catch (error) {
      return (error as { readonly code?: string }).code
    }
  })
  expect(outcome).toBe('FENCED')
  expect(await ada.store.get('page')).toBe('of ada')
  await expect
    .poll(() => bob.page.evaluate(() => globalThis.held?.signal.aborted), { timeout: 5000 })
    .toBe(true)
  expect(await ada.page.evaluate(() => globalThis.held?.signal.aborted)).toBe(false)
  await ada.page.evaluate(() => globalThis.held?.release())
})

/** Stops the page where it stands, as a browser that takes its time away: no timer, no message, no promise goes on. */
async function freeze(page: Page): Promise<{ thaw(): Promise<void> }> {
  const debug = await page.context().newCDPSession(page)
  await debug.send('Debugger.enable')
  const paused = new Promise(resolve => debug.once('Debugger.paused', resolve))
  await debug.send('Debugger.pause')
  await paused
  return {
    async thaw() {
      await debug.send('Debugger.disable')
      await debug.detach()
    },
  }
}

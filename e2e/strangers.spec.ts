// Whoever does not know the secret gets nothing, wherever the request comes from.

import { request } from 'node:http'
import type { BrowserContext } from '@playwright/test'
import type { isQuorateError, openHost } from '../src/browser.ts'
import { expect, test } from './helpers/fixtures.ts'
import { type PageServer, servePage } from './helpers/page-server.ts'
import { Tab } from './helpers/tab.ts'

declare global {
  /** The library, in a page that no seed served. */
  var library: { readonly openHost: typeof openHost; readonly isQuorateError: typeof isQuorateError }
}

let server: PageServer

test.beforeAll(async () => {
  server = await servePage(`
    import { isQuorateError, openHost } from './src/browser.ts'
    globalThis.library = { isQuorateError, openHost }
  `)
})
test.afterAll(() => server?.close())

test('a page of another origin can neither read the secret nor the store, nor write', async ({
  adaProfile,
  seed,
  api,
}) => {
  await api.put('private', 'value')
  const page = await openStranger(adaProfile.context)
  const attempts = await page.evaluate(async url => {
    const json = { 'content-type': 'application/json' }
    const requests: Record<string, [path: string, init?: RequestInit]> = {
      'read the secret': ['/config.json'],
      'read a value': ['/v1/kv/private'],
      'list all keys': ['/v1/kv'],
      'watch all keys': ['/v1/watch'],
      'look at the cluster': ['/v1/status'],
      'write a value': ['/v1/kv/theirs', { method: 'PUT', body: '1', headers: json }],
      'delete a value': ['/v1/kv/private', { method: 'DELETE' }],
      'write without being asked': ['/v1/kv/theirs', { method: 'POST', body: '1', mode: 'no-cors' }],
      'change the members blindly': ['/v1/members', { method: 'POST', body: '{}', mode: 'no-cors' }],
    }
    const outcomes = Object.entries(requests).map(async ([name, [path, init]]) => {
      const seen = await fetch(url + path, init).then(
        response => response.text(),
        () => '',
      )
      return [name, seen] as const
    })
    return Promise.all(outcomes)
  }, seed.url)
  expect(attempts).toHaveLength(9)
  for (const [name, seen] of attempts) expect(seen, name).toBe('')
  expect((await api.scan('')).map(({ key, value }) => [key, value])).toEqual([['private', 'value']])
  await page.close()
})

test('a name that was pointed at this machine by somebody else opens nothing', async ({ seed }) => {
  for (const path of ['/config.json', '/v1/status', '/v1/kv/key']) {
    expect(await statusOf(seed.url + path, { host: 'rebound.example' }), path).toBe(403)
    expect(await statusOf(seed.url + path, { origin: 'http://rebound.example' }), path).toBe(403)
  }
})

test('a host with a wrong secret is refused as UNAUTHORIZED, one with the right secret is let in', async ({
  adaProfile,
  seed,
  ada,
}) => {
  const { secret } = await (await fetch(`${seed.url}/config.json`)).json()
  const page = await openStranger(adaProfile.context)
  const tryWith = (given: string) =>
    page.evaluate(
      async ([seedUrl, secretGiven]) => {
        const { openHost, isQuorateError } = globalThis.library
        const host = await openHost({
          cluster: 'demo',
          secret: secretGiven,
          seeds: [seedUrl],
          database: secretGiven,
        })
        try {
          return await (await host.store()).get('greeting')
        } catch (error) {
          return isQuorateError(error) ? error.code : String(error)
        } finally {
          await host.close()
        }
      },
      [seed.url, given] as const,
    )
  await ada.store.put('greeting', 'hello')
  expect(await tryWith('guessed')).toBe('UNAUTHORIZED')
  expect(await tryWith(secret)).toBe('hello')
  await page.close()
})

test.describe('a seed whose secret was given', () => {
  test.use({ seedWords: ['--secret', 'open sesame'] })

  test('its page asks for it, refuses a wrong one, and joins with the right one', async ({
    adaProfile,
    seed,
  }) => {
    expect(await (await fetch(`${seed.url}/config.json`)).json()).toEqual({ cluster: 'demo' })
    const tab = await Tab.load(adaProfile, seed.url)
    const { page } = tab
    await page.getByLabel('Secret', { exact: true }).fill('guessed')
    await page.getByRole('button', { name: 'Join' }).click()
    await expect(page.locator('#notices')).toContainText('UNAUTHORIZED')
    await page.reload()
    await page.getByLabel('Secret', { exact: true }).fill('open sesame')
    await page.getByRole('button', { name: 'Join' }).click()
    await tab.joined()
    await tab.close()
  })
})

/** A page that no seed served. */
async function openStranger(context: BrowserContext) {
  const page = await context.newPage()
  await page.goto(server.origin)
  await page.waitForFunction(() => globalThis.library !== undefined)
  return page
}

/** Unlike `fetch`, this sends the headers that it is given. */
function statusOf(url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers }, response => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('error', reject).end()
  })
}

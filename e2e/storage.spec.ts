// The contract of storage, held by a real IndexedDB on a real disk: the published suite, run inside a page.

import type { BrowserContext } from '@playwright/test'
import { nodeDeflate } from '../src/storage/deflate-node.ts'
import type { StorageSupport } from '../src/storage/storage.ts'
import { storageConformance } from '../src/testing/storage-conformance.ts'
import { expect, test } from './helpers/fixtures.ts'
import { type PageServer, servePage } from './helpers/page-server.ts'

/** What the page offers to these tests. */
interface StoragePage {
  /** What the adapter says of itself. */
  supports(): Promise<StorageSupport>
  /** Runs one test of the suite, and tells why it failed; empty when it passed. */
  run(name: string): Promise<string>
  write(value: number): Promise<void>
  read(): Promise<number | undefined>
  deflate(bytes: readonly number[]): Promise<readonly number[]>
  /** The bytes, or the name of the error. */
  inflate(bytes: readonly number[], bytesMax: number): Promise<readonly number[] | string>
}

declare global {
  var storagePage: StoragePage
}

const supports: StorageSupport = { durable: true, exclusive: true, opaqueKeys: true }

const pageSource = `
  import { openIndexedDbStorage } from './src/storage/indexeddb.ts'
  import { browserDeflate } from './src/storage/deflate-browser.ts'
  import { storageConformance } from './src/testing/storage-conformance.ts'

  const runs = new Map()
  let places = 0
  storageConformance({
    name: 'indexeddb',
    supports: ${JSON.stringify(supports)},
    test: (name, run) => runs.set(name, run),
    async place() {
      const database = 'conformance-' + ++places
      return {
        open: () => openIndexedDbStorage(database),
        remove: () => new Promise((resolve, reject) => {
          const request = indexedDB.deleteDatabase(database)
          request.onsuccess = () => resolve()
          request.onerror = () => reject(request.error)
        }),
      }
    },
  })

  const withStorage = async (name, use) => {
    const storage = await openIndexedDbStorage(name)
    try {
      return await use(storage, await storage.load())
    } finally {
      await storage.close()
    }
  }
  globalThis.storagePage = {
    supports: () => withStorage('supports', async storage => storage.supports),
    run: name => runs.get(name)().then(() => '', error => String(error.stack)),
    write: value => withStorage('restart', storage =>
      storage.write({ groups: new Map(), values: new Map([['value', Uint8Array.of(value)]]) })),
    read: () => withStorage('restart', async (storage, stored) => stored.values.get('value')?.[0]),
    deflate: async bytes => [...await browserDeflate.deflate(Uint8Array.from(bytes))],
    inflate: (bytes, bytesMax) => browserDeflate.inflate(Uint8Array.from(bytes), bytesMax)
      .then(inflated => [...inflated], error => error.name),
  }
`

let server: PageServer

test.beforeAll(async () => {
  server = await servePage(pageSource)
})
test.afterAll(() => server?.close())

test('says of itself what this suite takes for granted', async ({ adaProfile }) => {
  const page = await openPage(adaProfile.context)
  expect(await page.evaluate(() => storagePage.supports())).toEqual(supports)
})

storageConformance({
  name: 'indexeddb',
  supports,
  place: () => Promise.reject(new Error('places are made in the page')),
  test: name =>
    test(name, async ({ adaProfile }) => {
      const page = await openPage(adaProfile.context)
      expect(await page.evaluate(wanted => storagePage.run(wanted), name)).toBe('')
    }),
})

test('what was written is there after the browser was closed and opened again', async ({ adaProfile }) => {
  await (await openPage(adaProfile.context)).evaluate(() => storagePage.write(42))
  await adaProfile.restart()
  const page = await openPage(adaProfile.context)
  expect(await page.evaluate(() => storagePage.read())).toBe(42)
  await page.close()
})

test('a page and a process read what the other one deflated, and a page takes no more than it wants', async ({
  adaProfile,
}) => {
  const page = await openPage(adaProfile.context)
  const text = [...Buffer.from('the same again and again, '.repeat(300))]
  const deflated = await page.evaluate(bytes => storagePage.deflate(bytes), text)
  expect(deflated.length).toBeLessThan(text.length / 10)
  expect([...(await nodeDeflate.inflate(Uint8Array.from(deflated), text.length))]).toEqual(text)
  const inflate = (bytes: Uint8Array, bytesMax: number) =>
    page.evaluate(given => storagePage.inflate(given.bytes, given.bytesMax), { bytes: [...bytes], bytesMax })
  const ofNode = await nodeDeflate.deflate(Uint8Array.from(text))
  expect(await inflate(ofNode, text.length)).toEqual(text)
  expect(await inflate(ofNode, text.length - 1)).toBe('RangeError')
  expect(await inflate(ofNode.subarray(1), text.length)).toBe('TypeError')
  const bomb = await nodeDeflate.deflate(new Uint8Array(16 * 1024 * 1024))
  expect(await inflate(bomb, text.length)).toBe('RangeError')
})

/** The one page of the suite, loaded once for each browser. */
async function openPage(context: BrowserContext) {
  const known = context.pages().find(page => page.url().startsWith(server.origin))
  const page = known ?? (await context.newPage())
  if (known === undefined) await page.goto(server.origin)
  await page.waitForFunction(() => globalThis.storagePage !== undefined)
  return page
}

// The contract of transports, held by WebRTC and WebSocket of a real browser: the published suite, inside a page.

import { transportConformance } from '../src/testing/transport-conformance.ts'
import type { Path } from '../src/transport/transport.ts'
import { expect, test } from './helpers/fixtures.ts'
import { type PageServer, servePage } from './helpers/page-server.ts'
import { type Seed, startSeed } from './helpers/seed.ts'

declare global {
  /** Runs one test of the suite over the hosts of a seed, and tells why it failed; empty when it passed. */
  var runTransportTest: (name: string, seedUrl: string) => Promise<string>
}

const paths: readonly Path[] = ['relay', 'direct']
const secret = 'known to the page'

const pageSource = `
  import { browserClock } from './src/clock/browser.ts'
  import { transportConformance } from './src/testing/transport-conformance.ts'
  import { createMesh } from './src/transport/create-mesh.ts'
  import { createIdentity } from './src/transport/identity.ts'
  import { signalUrls } from './src/transport/signal-url.ts'
  import { loadBrowserRtc } from './src/transport/webrtc-browser.ts'
  import { openBrowserSocket } from './src/transport/websocket-browser.ts'

  const timers = browserClock()
  const environment = { openSocket: openBrowserSocket, loadRtc: loadBrowserRtc, timers, random: Math.random }

  const openHost = async urls => {
    const identity = await createIdentity()
    const options = { identity, cluster: 'demo', secret: '${secret}', urls, environment }
    const { transport } = await createMesh(options)
    return { hostId: identity.hostId, transport }
  }

  const until = async condition => {
    const late = performance.now() + 10_000
    while (!condition()) {
      if (performance.now() > late) throw new Error('late: ' + condition)
      await new Promise(resolve => timers.after(2, resolve))
    }
  }

  globalThis.runTransportTest = async (wanted, seedUrl) => {
    const urls = signalUrls([seedUrl])
    const runs = new Map()
    transportConformance((name, run) => runs.set(name, run), {
      paths: ${JSON.stringify(paths)},
      until,
      async open(count) {
        const hosts = await Promise.all(Array.from({ length: count }, () => openHost(urls)))
        return { hosts, close: () => Promise.all(hosts.map(({ transport }) => transport.close())) }
      },
    })
    return runs.get(wanted)().then(() => '', error => String(error.stack))
  }
`

let server: PageServer
let seed: Seed

test.beforeAll(async () => {
  ;[server, seed] = await Promise.all([
    servePage(pageSource),
    startSeed({ words: ['--signal-only', '--secret', secret] }),
  ])
})
test.afterAll(async () => {
  await seed?.close()
  await server?.close()
})

transportConformance(
  name =>
    test(name, async ({ adaProfile }) => {
      await adaProfile.allow(server.origin)
      const page = await adaProfile.context.newPage()
      await page.goto(server.origin)
      const run = page.evaluate(([wanted, url]) => globalThis.runTransportTest(wanted, url), [
        name,
        seed.url,
      ] as const)
      expect(await run).toBe('')
      await page.close()
    }),
  {
    paths,
    open: () => Promise.reject(new Error('hosts are opened in the page')),
    until: () => Promise.reject(new Error('the page waits by itself')),
  },
)

import type { JSHandle, Page } from '@playwright/test'
import type { HostInfo, Path, StoreStatus, WatchEvent, WatchRange } from '../../src/index.ts'
import type { Profile } from './profile.ts'
import { type RemoteStore, remoteStore, type Session } from './remote-store.ts'

/** The watch of a page, read from the test. */
export interface RemoteWatch {
  /** The next events, as many as asked for. */
  take(count: number): Promise<readonly WatchEvent[]>
}

const startTimeoutMs = 10_000

/** A page of the demo, in which a host runs. */
export class Tab {
  readonly page: Page
  readonly store: RemoteStore
  /** Exceptions that nobody caught in the page. */
  readonly faults: Error[] = []
  /** What the page and the browser printed as errors. */
  readonly complaints: string[] = []
  private joinedAs: { readonly hostId: string; readonly session: JSHandle<Session> } | undefined

  private constructor(page: Page) {
    this.page = page
    this.store = remoteStore(() => this.session)
    page.on('pageerror', error => this.faults.push(error))
    page.on('console', message => {
      if (message.type() === 'error') this.complaints.push(message.text())
    })
  }

  /** Opens the demo that the seed serves and waits until its host has joined the cluster. */
  static async open(profile: Profile, url: string): Promise<Tab> {
    const tab = await Tab.load(profile, url)
    await tab.joined()
    return tab
  }

  /** Opens the demo and waits for nothing. */
  static async load(profile: Profile, url: string): Promise<Tab> {
    await profile.allow(url)
    const tab = new Tab(await profile.context.newPage())
    await tab.page.goto(url)
    return tab
  }

  /** Waits until the page says that it has joined; a page that says that it cannot has written why. */
  async joined(): Promise<void> {
    const { page } = this
    await page.locator('html:not([data-quorate=starting])').waitFor({ timeout: startTimeoutMs })
    if ((await page.locator('html[data-quorate=ready]').count()) === 0) {
      throw new Error(`the page did not join: ${await page.locator('#notices').textContent()}`)
    }
    const session = await page.evaluateHandle(() => {
      if (globalThis.quorate === undefined) throw new Error('a page that is ready exposes its host')
      return globalThis.quorate
    })
    this.joinedAs = { hostId: await session.evaluate(({ host }) => host.id), session }
  }

  get hostId(): string {
    return this.joinedOrThrow().hostId
  }

  /** Host and store of the page: `tab.session.evaluate(({ store }) => …)`. */
  get session(): JSHandle<Session> {
    return this.joinedOrThrow().session
  }

  /** Loads the page anew, which ends its host and starts one over the same storage. */
  async reload(): Promise<void> {
    await this.page.reload()
    await this.joined()
  }

  info(): Promise<HostInfo> {
    return this.session.evaluate(({ host }) => host.info())
  }

  status(): Promise<StoreStatus> {
    return this.session.evaluate(({ store }) => store.status())
  }

  /** How frames reach another host right now. */
  async pathTo(hostId: string): Promise<Path> {
    return (await this.info()).peers.find(peer => peer.hostId === hostId)?.path ?? 'none'
  }

  /** Resolves when the host says that it lost its connection to another one. */
  lost(hostId: string): Promise<void> {
    return this.session.evaluate(
      ({ host }, gone) =>
        new Promise<void>(resolve => {
          host.on('disconnected', event => {
            if (event.hostId === gone) resolve()
          })
        }),
      hostId,
    )
  }

  /** Begins to watch. */
  async watch(range: WatchRange): Promise<RemoteWatch> {
    const handle = await this.session.evaluateHandle(({ store }, wanted) => store.watch(wanted), range)
    return {
      take: count =>
        handle.evaluate(async (watch, wanted) => {
          const events: WatchEvent[] = []
          while (events.length < wanted) {
            const { done, value } = await watch.next()
            if (done === true) break
            events.push(value)
          }
          return events
        }, count),
    }
  }

  /** Closes the page as a person does. Idempotent. */
  async close(): Promise<void> {
    await this.page.close()
  }

  private joinedOrThrow() {
    if (this.joinedAs === undefined) throw new Error('the page has not joined')
    return this.joinedAs
  }
}

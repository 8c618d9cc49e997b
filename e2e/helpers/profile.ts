import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext } from '@playwright/test'
import { chromium } from '@playwright/test'
import { chromiumFlags, findChromium } from '../chromium.ts'

/** A person's browser: a profile on disk that survives the end of its process. */
export interface Profile {
  /** The running browser. Another one after `restart`. */
  readonly context: BrowserContext
  /** Lets pages of that origin see the machine's own addresses, now and after a restart. */
  allow(origin: string): Promise<void>
  /** Ends the browser properly and starts it anew over the same profile. */
  restart(): Promise<void>
  /** Ends the browser in the middle of whatever it does, and starts it anew over the same profile. */
  crash(): Promise<void>
  /** Ends the browser and forgets the profile. Idempotent. */
  close(): Promise<void>
}

/** Opens a new profile, for pages of the given origins to begin with. */
export async function openProfile(origins: readonly string[] = []): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-profile-'))
  const allowed = new Set(origins)
  let context = await launch(folder, allowed)
  let closed = false
  return {
    get context() {
      return context
    },
    async allow(origin) {
      allowed.add(origin)
      await allow(context, origin)
    },
    async restart() {
      await context.close()
      context = await launch(folder, allowed)
    },
    async crash() {
      const protocol = await context.newCDPSession(context.pages()[0] ?? (await context.newPage()))
      const ended = new Promise(resolve => context.once('close', resolve))
      // It is not answered: whoever should answer is gone.
      protocol.send('Browser.crash').catch(() => undefined)
      await ended
      context = await launch(folder, allowed)
    },
    async close() {
      if (closed) return
      closed = true
      await context.close()
      // The browser's last children may still be writing when it is gone.
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

async function launch(folder: string, origins: Iterable<string>): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: findChromium(),
    headless: true,
    args: [...chromiumFlags],
  })
  for (const origin of origins) await allow(context, origin)
  return context
}

/** A page with camera and microphone may offer its own addresses: its only candidates on loopback. */
async function allow(context: BrowserContext, origin: string): Promise<void> {
  await context.grantPermissions(['camera', 'microphone'], { origin })
}

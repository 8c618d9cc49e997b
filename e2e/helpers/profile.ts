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
  /** Ends the browser properly and starts it anew over the same profile. */
  restart(): Promise<void>
  /** Ends the browser and forgets the profile. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens a new profile for pages of the given origins. Camera and microphone are granted because a page that has them
 * may see the machine's own addresses, without which it has no candidate to offer on loopback.
 */
export async function openProfile(origins: readonly string[]): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-profile-'))
  let context = await launch(folder, origins)
  let closed = false
  return {
    get context() {
      return context
    },
    async restart() {
      await context.close()
      context = await launch(folder, origins)
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

async function launch(folder: string, origins: readonly string[]): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: findChromium(),
    headless: true,
    args: [...chromiumFlags],
  })
  for (const origin of origins) await context.grantPermissions(['camera', 'microphone'], { origin })
  return context
}

import { test as base, expect } from '@playwright/test'
import { openProfile, type Profile } from './profile.ts'
import { type Seed, startSeed } from './seed.ts'
import { type SeedApi, seedApi } from './seed-api.ts'
import { Tab } from './tab.ts'

/** Two people's browsers. They serve all tests: each seed has a port of its own, and so each test an origin. */
interface Profiles {
  readonly adaProfile: Profile
  readonly bobProfile: Profile
}

interface Cluster {
  /** Further words of the seed's command line. */
  readonly seedWords: readonly string[]
  readonly seed: Seed
  /** The HTTP API of the seed. */
  readonly api: SeedApi
  /** A tab that has joined. */
  readonly ada: Tab
  /** A tab in another browser, that joined after Ada's. */
  readonly bob: Tab
}

/** A test with a cluster of its own, as far as it asks for one. */
export const test = base.extend<Cluster, Profiles>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads from the pattern that nothing is wanted.
  adaProfile: [({}, use) => withProfile(use), { scope: 'worker' }],
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  bobProfile: [({}, use) => withProfile(use), { scope: 'worker' }],

  seedWords: [[], { option: true }],
  seed: async ({ seedWords }, use) => {
    const seed = await startSeed({ words: seedWords })
    await use(seed)
    await seed.close()
  },
  api: ({ seed }, use) => use(seedApi(seed.url)),
  ada: ({ adaProfile, seed }, use) => withTab(adaProfile, seed, use),
  // Asks for Ada's tab to come after it.
  bob: ({ ada: _, bobProfile, seed }, use) => withTab(bobProfile, seed, use),
})

export { expect }

/** Asserts what is about to become true. Looks often: there is no event for "all of it, everywhere". */
export function eventually<Value>(look: () => Value | Promise<Value>, timeoutMs = 10_000) {
  return expect.poll(look, { intervals: [20], timeout: timeoutMs })
}

async function withProfile(use: (profile: Profile) => Promise<void>): Promise<void> {
  const profile = await openProfile()
  await use(profile)
  await profile.close()
}

async function withTab(profile: Profile, seed: Seed, use: (tab: Tab) => Promise<void>): Promise<void> {
  const tab = await Tab.open(profile, seed.url)
  await use(tab)
  await tab.close()
  expect(tab.faults, 'nothing is thrown that nobody catches').toEqual([])
}

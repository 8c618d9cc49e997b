import { defineConfig } from '@playwright/test'

/**
 * One test at a time, and no second try: what fails once in ten runs is broken, and is found by failing. Browsers have
 * persistent profiles (helpers/profile.ts), because a private context keeps IndexedDB in memory only.
 */
export default defineConfig({
  testDir: '.',
  testMatch: '**/*.spec.ts',
  outputDir: '../test-results',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  forbidOnly: true,
  timeout: 60_000,
  use: { actionTimeout: 10_000 },
  expect: { timeout: 10_000 },
  reporter: 'list',
})

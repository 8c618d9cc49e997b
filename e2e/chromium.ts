// Finds a Chrome or Chromium, or gets one: `npm test` on a fresh machine must not ask for anything.

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from '@playwright/test'

/** Path of a browser that can be started. Throws one clear line where there is none and none can be had. */
export function findChromium(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const wanted = env.QUORATE_CHROMIUM
  if (wanted !== undefined && wanted !== '') {
    if (isExecutable(wanted)) return wanted
    throw new Error(`QUORATE_CHROMIUM names ${wanted}, which cannot be started`)
  }
  return findInstalled(env) ?? download() ?? fail()
}

function findInstalled(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
  const folders = (env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  const candidates = [
    ...folders.flatMap(folder => names.map(name => join(folder, name))),
    ...usualPlaces(env),
    chromium.executablePath(),
  ]
  return candidates.find(isExecutable)
}

/** Where installers put a browser that is not on the PATH. */
function usualPlaces(env: Readonly<Record<string, string | undefined>>): string[] {
  if (process.platform === 'darwin') {
    const programs = [
      'Google Chrome.app/Contents/MacOS/Google Chrome',
      'Chromium.app/Contents/MacOS/Chromium',
    ]
    const folders = ['/Applications', join(homedir(), 'Applications')]
    return folders.flatMap(folder => programs.map(program => join(folder, program)))
  }
  if (process.platform === 'win32') {
    const folders = [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA]
    return folders.flatMap(folder =>
      folder === undefined ? [] : [join(folder, 'Google/Chrome/Application/chrome.exe')],
    )
  }
  return [
    '/usr/bin/chromium',
    '/usr/lib/chromium/chromium',
    '/opt/google/chrome/chrome',
    '/snap/bin/chromium',
  ]
}

/** Playwright's own build, put where all its users on this machine find it. Fails where there is no network. */
function download(): string | undefined {
  const command = fileURLToPath(new URL('../node_modules/@playwright/test/cli.js', import.meta.url))
  spawnSync(process.execPath, [command, 'install', 'chromium'], { stdio: 'ignore', timeout: 120_000 })
  const installed = chromium.executablePath()
  return isExecutable(installed) ? installed : undefined
}

function fail(): never {
  throw new Error(
    'no Chrome or Chromium was found and none could be downloaded: install one, or name it in QUORATE_CHROMIUM',
  )
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false // Not there, or not ours to start: the next place is tried.
  }
}

/** Flags for pages that connect to each other on this machine alone. */
export const chromiumFlags: readonly string[] = [
  // Without a default route Chromium finds no address to offer, unless loopback counts and addresses are not hidden
  // behind multicast names, which nobody here would resolve.
  '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns,Translate,OptimizationHints,MediaRouter',
  // Nothing may leave the machine during a test.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-pings',
  // A container has no user namespaces for the sandbox, and its /dev/shm is too small.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-dev-shm-usage',
]

// What is published: small enough, free of Node where browsers load it, and usable by those who install it.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { BuildOptions, BuildResult, Metafile } from 'esbuild'
import { build, transform } from 'esbuild'

interface BuildModule {
  buildBrowser(outdir: string, options?: BuildOptions): Promise<BuildResult & { metafile: Metafile }>
  buildPackage(dist: string, options: { readonly types: boolean }): Promise<void>
}

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const { buildBrowser, buildPackage } = (await import(join(root, 'build.mjs'))) as BuildModule

const folder = await mkdtemp(join(tmpdir(), 'quorate-package-'))
after(() => rm(folder, { recursive: true, force: true }))

describe('the browser module', () => {
  const outdir = join(folder, 'browser')
  let metafile: Metafile = { inputs: {}, outputs: {} }
  before(async () => {
    metafile = (await buildBrowser(outdir, { sourcemap: false })).metafile
  })

  const compressedKilobytes = async (outputs: readonly string[]): Promise<number> => {
    const sizes = outputs.map(
      async output => gzipSync(await readFile(join(outdir, basename(output))), { level: 9 }).length,
    )
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) / 1024
  }
  const scripts = (): string[] => Object.keys(metafile.outputs).filter(output => output.endsWith('.js'))

  /** The script of that name, and what it imports statically, and so on. */
  const loadedWith = (name: string): string[] => {
    const first = scripts().find(output => basename(output).replace(/-\w+\.js$|\.js$/, '') === name)
    assert.ok(first !== undefined, `${name} was built`)
    const loaded = new Set([first])
    for (const output of loaded) {
      for (const { path, kind, external } of metafile.outputs[output]?.imports ?? []) {
        if (kind === 'import-statement' && !external) loaded.add(path)
      }
    }
    return [...loaded]
  }
  const atOnce = (): string[] => loadedWith('quorate')
  const byClients = (): string[] => [...new Set([...atOnce(), ...loadedWith('mesh-browser')])]
  const sourcesOf = (outputs: readonly string[]): string[] =>
    outputs.flatMap(output => Object.keys(metafile.outputs[output]?.inputs ?? {}))

  test('holds no Node import and leaves none to the bundler of its user', () => {
    const inputs = Object.entries(metafile.inputs)
    const imports = inputs.flatMap(([path, input]) =>
      input.imports.map(entry => `${path} imports ${entry.path}`),
    )
    assert.deepEqual(
      imports.filter(line => line.includes('node:')),
      [],
    )
    const external = Object.values(metafile.outputs).flatMap(output =>
      output.imports.filter(entry => entry.external),
    )
    assert.deepEqual(external, [])
  })

  test('loads WebRTC in a chunk of its own', () => {
    const isPeer = (input: string): boolean => input.includes('node_modules/simple-peer/')
    assert.ok(sourcesOf(byClients()).some(isPeer), 'simple-peer is bundled')
    assert.ok(!sourcesOf(atOnce()).some(isPeer), 'simple-peer is not loaded at once')
  })

  test('loads replicas, and where they are stored, in a chunk of its own that no client needs', () => {
    const isOfMembers = (input: string): boolean =>
      /\/core\/(raft|machine)\/.*|\/engine\/(replica|snapshots)\/|\/storage\/indexeddb\.ts|\/idb-keyval\//.test(
        input,
      )
    assert.ok(sourcesOf(loadedWith('browser-member')).filter(isOfMembers).length > 30)
    const small = ['src/engine/replica/log-entry.ts', 'src/core/machine/key.ts']
    assert.deepEqual(sourcesOf(byClients()).filter(isOfMembers), small, 'but for what is a few bytes')
  })

  test('loads locks and their kin in a chunk of its own, when one of them is used', () => {
    const isRecipe = (input: string): boolean => /\/engine\/recipes\/(line|lock|queue)\.ts$/.test(input)
    assert.ok(sourcesOf(loadedWith('recipes')).some(isRecipe))
    assert.ok(!sourcesOf([...byClients(), ...loadedWith('browser-member')]).some(isRecipe))
  })

  test('loads transactions that are tried again in a chunk of its own, with the first of them', () => {
    const isTransact = (input: string): boolean => input.endsWith('/engine/transactions/store-transaction.ts')
    assert.ok(sourcesOf(loadedWith('transact')).some(isTransact))
    assert.ok(!sourcesOf([...byClients(), ...loadedWith('browser-member')]).some(isTransact))
  })

  test('says with a typed error that the chunk could not be loaded', async () => {
    const alone = join(folder, 'alone')
    await mkdir(alone)
    for (const output of atOnce()) await cp(join(outdir, basename(output)), join(alone, basename(output)))
    const script = `
      globalThis.isSecureContext = true
      const { openHost } = await import('./quorate.js')
      const options = { cluster: 'c', secret: 's'.repeat(32), role: 'client', seeds: ['http://127.0.0.1'] }
      const error = await openHost(options).catch(error => error)
      console.log(JSON.stringify([error.name, error.code, error.retryable]))
      process.exit()`
    await writeFile(join(alone, 'page.mjs'), script)
    const { stdout } = await run(process.execPath, ['page.mjs'], { cwd: alone })
    assert.deepEqual(JSON.parse(stdout), ['QuorateError', 'UNREACHABLE', true])
  })

  test('opens a member and a client on a page that has what browsers have', async () => {
    const script = `
      import 'fake-indexeddb/auto'
      const locks = { request: async (name, options, use) => use({}) }
      Object.defineProperty(globalThis, 'navigator', { value: { locks } })
      Object.assign(globalThis, { isSecureContext: true, addEventListener() {}, removeEventListener() {} })
      const { openHost } = await import('./quorate.js')
      for (const role of ['member', 'client']) {
        const host = await openHost({ cluster: 'c', secret: 's'.repeat(32), seeds: [], role })
        const error = await host.store('main', { deadlineMs: 100 }).catch(error => error)
        console.log(host.id.length, host.info().stores.length, host.metrics().host.framesSent, error.code)
        await host.close()
      }
      process.exit()`
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules')).catch(() => {})
    await writeFile(join(outdir, 'page.mjs'), script)
    const { stdout } = await run(process.execPath, ['page.mjs'], { cwd: outdir })
    assert.equal(stdout, '20 0 0 UNREACHABLE\n'.repeat(2))
  })

  // Kilobytes of 1024 bytes.
  const budgets = [
    { what: 'what a page loads at once', scripts: atOnce, most: 32.2 },
    { what: 'what a client loads, with WebRTC', scripts: byClients, most: 47.1 },
    // 0.8 of them are for the 257th member: whom a full group lets go, and how that host comes back by itself.
    { what: 'what a member loads, all there is', scripts, most: 104 },
  ]
  for (const { what, scripts, most } of budgets) {
    test(`has a budget: ${what}, is at most ${most} KB compressed`, async () => {
      const size = await compressedKilobytes(scripts())
      assert.ok(size <= most, `${size.toFixed(2)} KB`)
    })
  }

  test('is as large as README.md says, in whole KiB', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const said = /Pages, compressed: (\d+) KiB, client (\d+), member (\d+)\./.exec(readme)?.slice(1)
    const sizes = await Promise.all(budgets.map(budget => compressedKilobytes(budget.scripts())))
    assert.deepEqual(
      said,
      sizes.map(size => size.toFixed(0)),
    )
  })

  test('uses no name that only Node has', async () => {
    // The bundler itself tells which names are free: it replaces those, and no property or string that looks alike.
    const names = ['process', 'Buffer', 'global', 'setImmediate', 'require', '__dirname', '__filename']
    const define = Object.fromEntries(names.map(name => [name, `NODE_${name}`]))
    for (const output of scripts()) {
      const { code } = await transform(await readFile(join(outdir, basename(output)), 'utf8'), { define })
      assert.deepEqual(code.match(/.*NODE_\w+.*/g), null, basename(output))
    }
  })
})

describe('the package, installed', () => {
  const consumer = join(folder, 'consumer')
  const installed = join(consumer, 'node_modules/quorate')

  before(async () => {
    const staged = join(folder, 'staged')
    await mkdir(staged)
    for (const name of [
      'package.json',
      'LICENSE',
      'README.md',
      'GUIDE.md',
      'CHANGELOG.md',
      'ARCHITECTURE.md',
    ]) {
      await cp(join(root, name), join(staged, name))
    }
    await buildPackage(join(staged, 'dist'), { types: true })
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent'], {
      cwd: staged,
      shell: true,
    })
    await mkdir(installed, { recursive: true })
    await run('tar', ['-xzf', join(staged, stdout.trim()), '-C', installed, '--strip-components=1'])
    const dependencies = await readdir(join(root, 'node_modules'))
    for (const name of dependencies.filter(name => !name.startsWith('.'))) {
      await symlink(join(root, 'node_modules', name), join(consumer, 'node_modules', name))
    }
    await writeFile(join(consumer, 'package.json'), JSON.stringify({ type: 'module' }))
  })

  const runScript = async (source: string): Promise<unknown> => {
    await writeFile(join(consumer, 'script.js'), source)
    const { stdout } = await run(process.execPath, ['script.js'], { cwd: consumer })
    return JSON.parse(stdout)
  }

  test('is imported in Node by each of its names, with one class of errors', async () => {
    const found = await runScript(`
      import * as main from 'quorate'
      import * as server from 'quorate/server'
      import * as testing from 'quorate/testing'
      import { QuorateLevel } from 'quorate/level'
      console.log(JSON.stringify({
        main: typeof main.openHost,
        one: (server.QuorateError ?? main.QuorateError) === main.QuorateError,
        server: Object.keys(server).length > 0,
        testing: Object.keys(testing).length > 0,
        level: typeof QuorateLevel,
      }))`)
    assert.deepEqual(found, { main: 'function', one: true, server: true, testing: true, level: 'function' })
  })

  test('brings a command that runs', async () => {
    const command = join(installed, 'dist/cli/main.js')
    assert.match(await readFile(command, 'utf8'), /^#!\/usr\/bin\/env node\n/)
    if (process.platform !== 'win32') assert.equal((await stat(command)).mode & 0o111, 0o111)
  })

  test('is bundled for browsers by a plain bundler, from its browser build alone', async () => {
    await writeFile(join(consumer, 'page.js'), `import { openHost } from 'quorate'; openHost({})`)
    const result = await build({
      absWorkingDir: consumer,
      entryPoints: ['page.js'],
      bundle: true,
      format: 'esm',
      conditions: ['browser'],
      outdir: 'out',
      splitting: true,
      metafile: true,
      logLevel: 'silent',
    })
    const strangers = Object.keys(result.metafile.inputs).filter(
      input => input !== 'page.js' && !input.startsWith('node_modules/quorate/dist/browser/'),
    )
    assert.deepEqual(strangers, [])
    const later = Object.values(result.metafile.outputs).flatMap(({ imports }) =>
      imports.filter(({ kind }) => kind === 'dynamic-import').map(({ path }) => path),
    )
    assert.equal(later.length, 4, 'what a page loads later is still loaded later')
    for (const path of later) await stat(join(consumer, path))
  })

  for (const [module, resolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    test(`has types that are found by the ${resolution} resolution, whole and without our sources`, async () => {
      await writeFile(
        join(consumer, 'consumer.ts'),
        `import { openHost, QuorateError } from 'quorate'
         import * as server from 'quorate/server'
         import * as testing from 'quorate/testing'
         import { QuorateLevel } from 'quorate/level'
         import type { Store } from 'quorate'
         export const level = (store: Store) => new QuorateLevel<string, number>(store, { valueEncoding: 'json' })
         export const options: Parameters<typeof openHost>[0] | undefined = undefined
         export const code: string = new QuorateError('TIMEOUT', 'late').code
         export const all = [server, testing]
         // @ts-expect-error: were the types lost, this would be any and compile.
         new QuorateError(1)
         // @ts-expect-error
         new QuorateLevel(1)`,
      )
      const compiler = join(root, 'node_modules/typescript/bin/tsc')
      const flags = ['--noEmit', '--strict', '--module', module, '--moduleResolution', resolution]
      const target = ['--target', 'es2022', '--lib', 'es2022,esnext.disposable,dom', '--types', 'node']
      const { stdout } = await run(process.execPath, [compiler, ...flags, ...target, 'consumer.ts'], {
        cwd: consumer,
      }).catch((error: { stdout: string }) => error)
      assert.equal(stdout, '')
    })
  }
})

test('the top level holds what ARCHITECTURE.md names, and nothing else', async () => {
  const folders = ['src', 'demo', 'test', 'e2e']
  const papers = ['README.md', 'GUIDE.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE']
  const settings = ['package.json', 'package-lock.json', 'tsconfig.json', 'biome.json', 'build.mjs']
  const made = ['node_modules', 'dist', 'test-results', 'playwright-report']
  const allowed = new Set([...folders, ...papers, ...settings, ...made])
  const entries = await readdir(root)
  assert.deepEqual(
    entries.filter(name => !name.startsWith('.') && !allowed.has(name)),
    [],
  )
})

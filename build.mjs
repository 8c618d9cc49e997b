// Makes dist/: the browser module, the Node modules, the command, the demo and the types.
//   node build.mjs                everything
//   node build.mjs --if-needed    what `npm start` needs, and nothing when dist/ is newer than the sources

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { minify } from 'terser'

const root = dirname(fileURLToPath(import.meta.url))
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))

/** @type {import('esbuild').BuildOptions} */
const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  splitting: true,
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
  legalComments: 'linked',
  define: { __QUORATE_VERSION__: JSON.stringify(manifest.version) },
}

/**
 * What simple-peer asks of Node, as small stand-ins: its streams, Buffer, random bytes and log weigh 25 KB compressed
 * and need `process`, of which it uses what these files hold (6 KB with simple-peer itself).
 */
const browserAliases = Object.fromEntries(
  ['readable-stream', 'buffer', 'randombytes', 'debug', 'err-code', 'get-browser-rtc', 'queue-microtask'].map(
    name => [name, join(root, `src/transport/shims/${name}.cts`)],
  ),
)

/** Packages look for these before use. Here they look in vain even on a page that has them, and bundles shrink. */
const absentInBrowsers = { process: 'undefined', Buffer: 'undefined', setImmediate: 'undefined' }

/**
 * Browsers pack with a packer of our own, Node with msgpackr.
 * @type {import('esbuild').Plugin}
 */
const ownPacker = {
  name: 'own-packer',
  setup(build) {
    const path = join(root, 'src/wire/packer-browser.ts')
    build.onResolve({ filter: /^\.\/packer\.ts$/ }, () => ({ path }))
  },
}

/**
 * Limits, and the names of the recipes' keys, stand where they are used: a copy of their module for each file that
 * imports it. What members and recipes share would be a script of its own.
 * @type {import('esbuild').Plugin}
 */
const limitsInPlace = {
  name: 'limits-in-place',
  setup(build) {
    build.onResolve({ filter: /\/(limits|places)\.ts$/ }, ({ path, importer }) => ({
      path: join(dirname(importer), path),
      suffix: `?for=${relative(root, importer)}`,
    }))
  },
}

/**
 * simple-peer without its media, its statistics and its log, which are a third of its code: nothing here ever adds a
 * track, and a channel that is open need not be looked up among the statistics to be one.
 * @type {import('esbuild').Plugin}
 */
const dataOnly = {
  name: 'data-only',
  setup(build) {
    const names = 'address|getStats|add(Transceiver|Stream|Track)|replaceTrack|remove(Track|Stream)|_onTrack'
    const cuts = [
      new RegExp(`^ {2}(${names}|_requestMissingTransceivers|_debug) \\(.*?^ {2}}\\n`, 'gms'),
      /^ {4}(this\._pc\.ontrack = |if \(this\.streams\) ).*?^ {4}}\n/gms,
      // What is only for signals that nobody sends here, and for platforms that are not among ours.
      /^ {4}if \((data\.renegotiate|data\.transc|typeof data ===|!this\._wrtc|typeof this\._pc\.peerId).*?^ {4}}\n/gms,
      /^ *if \(!this\.initiator\) this\._requestMissingTransceivers\(\)\n/gm,
      /^ *this\._(remoteTracks|remoteStreams|senderMap|isReactNativeWebrtc) = .*\n/gm,
      /^ *this\.(local|remote)(Address|Family|Port) = undefined\n/gm,
      // From where it begins to look for the pair of candidates to where it has found it, and the two ends of that.
      /^ {4}\/\/ HACK: We can't rely on order.*?^ {8}} else {\n(?= {10}this\._connecting = false\n)/gms,
      /(?<=^ {10}this\._connected = true\n) {8}}\n/gm,
      /^ {6}}\)\n {4}}\n {4}findCandidatePair\(\)\n/gm,
    ]
    const log = /^ *this\._debug\((\n.*?^ *|.*?)\)$/gms
    build.onLoad({ filter: /simple-peer[/\\]index\.js$/ }, async ({ path }) => {
      let contents = await readFile(path, 'utf8')
      const found = cuts.map(cut => contents.match(cut)?.length)
      assert.deepEqual(found, [11, 2, 5, 1, 7, 6, 1, 1, 1], 'simple-peer has changed')
      for (const cut of [...cuts, log]) contents = contents.replace(cut, '')
      return { contents }
    })
  },
}

/**
 * What loads later imports what loads at once from one script. The bundler would cut that one into pieces, by who else
 * needs what: more requests, and they compress less well.
 * @type {import('esbuild').Plugin}
 */
const oneAtOnce = {
  name: 'one-at-once',
  setup(build) {
    build.onLoad(
      { filter: /[/\\]src[/\\](.*[/\\](mesh-browser|recipes)|browser-member)\.ts$/ },
      async ({ path }) => {
        const entry = JSON.stringify(join(root, 'src/browser.ts'))
        return {
          loader: 'ts',
          contents: `${await readFile(path, 'utf8')}\nexport { openHost as _ } from ${entry}`,
        }
      },
    )
  },
}

/** @type {import('esbuild').BuildOptions} */
const forBrowsers = {
  ...common,
  platform: 'browser',
  conditions: ['browser'],
  // None older than streams that deflate without a header: a member's snapshots need them.
  target: ['chrome103', 'firefox115', 'safari16.4'],
  minify: true,
  // A field is not written down a second time where its class only declares it.
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true } },
  // Already bundled when a user's bundler meets it, so that it never meets a Node import.
  alias: browserAliases,
  plugins: [ownPacker, dataOnly, limitsInPlace, oneAtOnce],
  define: { ...common.define, ...absentInBrowsers, global: 'globalThis' },
}

/**
 * Names of properties that are renamed: ours, that no user can meet, that no module exports, and that nothing looks up
 * by a string or shares with the platform, a bundled package, or the demo, which reads what comes from elsewhere. Hosts send and store no
 * names. simple-peer's own begin with `_`.
 */
async function internalNames() {
  const entryPoints = [join(root, 'src/browser.ts'), join(root, 'demo/main.ts')]
  const { metafile } = await build({ ...forBrowsers, entryPoints, outdir: 'unwritten', write: false })
  const inputs = [...new Set(Object.keys(metafile.inputs).map(input => input.replace(/\?.*/, '')))]
  const platform = await listFiles(join(root, 'node_modules/@typescript'))
  assert.ok(
    platform.map(file => basename(file)).includes('lib.dom.d.ts'),
    'the names of the platform are known',
  )
  const names = new Set()
  const others = await publicNames()
  const add = (words, to) => {
    for (const word of words.match(/[\w$]+/g) ?? []) to.add(word)
  }
  for (const input of inputs) {
    const code = await readCode(join(root, input))
    if (!/^src\/.*\.ts$/.test(input)) add(code, others)
    for (const [, member, key] of code.matchAll(/\.(\w{3,})|\b(\w{3,})\??:/g)) names.add(member ?? key)
    for (const [, string] of code.matchAll(/['"](\w+)['"]/g)) others.add(string)
    // Of a script that is loaded later, what it exports is a property. Its names are those that it was written with.
    for (const [exported] of code.matchAll(/^export (\{.*|(async )?(function\*?|const|class) \w+)/gm))
      add(exported, others)
  }
  for (const file of platform) {
    if (/\blib\.[\w.]+\.d\.ts$/.test(file)) add(await readCode(file), others)
  }
  const internal = [...names].filter(name => !others.has(name))
  assert.ok(internal.length > 0, 'some names are internal')
  return new RegExp(`^(_[a-zA-Z]\\w+|${internal.join('|')})$`)
}

/** A file without its comments, as far as they begin on a line of their own. */
async function readCode(file) {
  return (await readFile(file, 'utf8')).replace(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*$)/gm, '')
}

/** Every word of the declarations that users can reach from what is exported. */
async function publicNames() {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-types-'))
  try {
    await buildTypes(folder)
    const declarations = new Map()
    const names = new Set()
    for (const file of await listFiles(folder)) {
      const text = (await readCode(file)).replace(/^\s*private .*$/gm, '')
      const declaration =
        /^(?:export )?(?:declare )?(?:interface|type|class|function|const) (\w+)[\s\S]*?(?=^\w|(?![\s\S]))/gm
      // Where two have one name, both count.
      for (const [whole, name] of text.matchAll(declaration))
        declarations.set(name, `${declarations.get(name) ?? ''} ${whole}`)
      if (['index.d.ts', 'browser.d.ts'].includes(relative(folder, file)))
        for (const word of text.match(/\w+/g)) names.add(word)
    }
    const reached = new Set(names)
    for (const name of reached) {
      for (const word of declarations.get(name)?.match(/\w+/g) ?? []) {
        names.add(word)
        // Types, as values are exported by name.
        if (/^[A-Z]/.test(word)) reached.add(word)
      }
    }
    assert.ok(names.has('linearizable') && names.has('deadlineMs'), 'what users can reach was found')
    return names
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

let foundNames

/** Looked for once in a process: it takes longer than a build. */
function mangleProps() {
  foundNames ??= internalNames()
  return foundNames
}

/** Bundles for browsers. terser goes over what esbuild made: it sees more, and saves another 3 %. */
async function buildForBrowsers(options) {
  const result = await build({
    ...forBrowsers,
    mangleProps: await mangleProps(),
    chunkNames: '[name]-[hash]',
    ...options,
    write: false,
  })
  const files = new Map(result.outputFiles.map(({ path, text }) => [path, text]))
  for (const [path, text] of files) {
    if (extname(path) !== '.js') continue
    const map = files.get(`${path}.map`)
    const { code, map: newMap } = await minify(text, {
      module: true,
      ecma: 2020,
      compress: { passes: 3, inline: 1, pure_getters: true },
      sourceMap: map !== undefined && { content: map, url: `${basename(path)}.map` },
    })
    files.set(path, code)
    if (map !== undefined) files.set(`${path}.map`, newMap)
  }
  if (options.write === false)
    return { ...result, outputFiles: Array.from(files, ([path, text]) => ({ path, text })) }
  for (const [path, text] of files) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  return result
}

/** The browser module: `quorate.js`, with all of WebRTC in a chunk of its own that loads when a host is opened. */
export function buildBrowser(outdir, options = {}) {
  return buildForBrowsers({ entryPoints: { quorate: join(root, 'src/browser.ts') }, outdir, ...options })
}

/** The Node modules and the command share chunks, so that `QuorateError` is one class in all of them. */
export function buildNode(outdir, options = {}) {
  return build({
    ...common,
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    entryPoints: {
      'node/node': join(root, 'src/node.ts'),
      'node/server': join(root, 'src/server/index.ts'),
      'node/testing': join(root, 'src/testing/index.ts'),
      'cli/main': join(root, 'src/cli/main.ts'),
    },
    chunkNames: 'node/chunks/[name]-[hash]',
    outdir,
    ...options,
  })
}

/** The adapter to abstract-level, for browsers and Node: it needs nothing of either, and the store that it is given. */
export function buildLevel(outdir, options = {}) {
  return build({
    ...common,
    platform: 'neutral',
    target: 'es2022',
    packages: 'external',
    entryPoints: { level: join(root, 'src/level/index.ts') },
    outdir,
    ...options,
  })
}

/** The demo: its script bundled with the library, everything else copied as it is. */
export async function buildDemo(outdir) {
  const source = join(root, 'demo')
  await buildForBrowsers({ entryPoints: { main: join(source, 'main.ts') }, outdir })
  // For the seed that serves it. Its names stay: it meets a library whose names are whole.
  await build({ ...common, platform: 'node', entryPoints: { hooks: join(source, 'hooks.ts') }, outdir })
  await mkdir(outdir, { recursive: true })
  for (const file of await listFiles(source)) {
    if (['.ts', '.json'].includes(extname(file))) continue
    const target = join(outdir, relative(source, file))
    await mkdir(dirname(target), { recursive: true })
    await copyFile(file, target)
  }
}

/** Declarations. Their imports are rewritten to `.js`, which every resolution mode of every consumer understands. */
export async function buildTypes(outdir) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [compiler, '-p', join(root, 'src'), '--outDir', outdir], {
    cwd: root,
  }).catch(error => {
    throw new Error(`types: ${error.stdout}${error.stderr}`)
  })
  for (const file of await listFiles(outdir)) {
    if (!file.endsWith('.d.ts')) continue
    const text = await readFile(file, 'utf8')
    const rewritten = text.replace(/((?:from|import) ?\(?\s*['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2')
    if (rewritten !== text) await writeFile(file, rewritten)
  }
}

/** Everything, into an empty folder. Types take longest and are for publishing: `npm start` does without. */
export async function buildPackage(dist, { types }) {
  await rm(dist, { recursive: true, force: true })
  await Promise.all([
    buildBrowser(join(dist, 'browser')),
    buildNode(dist),
    buildLevel(join(dist, 'level')),
    buildDemo(join(dist, 'demo')),
    types ? buildTypes(join(dist, 'types')) : undefined,
  ])
  const command = join(dist, 'cli/main.js')
  const text = await readFile(command, 'utf8')
  if (!text.startsWith('#!')) await writeFile(command, `#!/usr/bin/env node\n${text}`)
  await chmod(command, 0o755)
  // Written last: it tells the next `--if-needed` that the build came to its end.
  await writeFile(join(dist, '.built'), '')
}

async function isCurrent() {
  const built = await modifiedAt(join(root, 'dist/.built'))
  const inputs = ['package.json', 'build.mjs'].map(name => join(root, name))
  for (const folder of ['src', 'demo']) inputs.push(...(await listFiles(join(root, folder))))
  const times = await Promise.all(inputs.map(modifiedAt))
  return times.every(time => time < built)
}

async function modifiedAt(file) {
  return access(file).then(
    async () => (await stat(file)).mtimeMs,
    () => 0,
  )
}

async function listFiles(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const ifNeeded = process.argv.includes('--if-needed')
  try {
    if (!ifNeeded || !(await isCurrent())) await buildPackage(join(root, 'dist'), { types: !ifNeeded })
  } catch (error) {
    // esbuild has printed what is wrong and where; its own error only repeats it.
    if (!('errors' in error)) console.error(error.message)
    process.exitCode = 1
  }
}

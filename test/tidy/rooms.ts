// The import table of ARCHITECTURE.md: which part of the house may know which.

/** A part of the house. An adapter is a room of its own within its folder: `storage/file`, `transport/webrtc`. */
export type Room = string

/** The ports: what the engine sees of time, storage and transport. */
const ports = ['src/clock/clock.ts', 'src/storage/storage.ts', 'src/transport/transport.ts']

/** Adapters by folder: a file belongs to the one that its name begins with (`file-lock.ts` to `file`). */
const adapters: Readonly<Record<string, readonly string[]>> = {
  clock: ['node', 'browser'],
  storage: ['memory', 'file', 'indexeddb', 'volatile', 'deflate'],
  transport: ['memory', 'webrtc', 'relay'],
}

/** Where adapters of one folder are put together. What is put together there is known to the platforms alone. */
const assemblies: Readonly<Record<string, Room>> = {
  'src/transport/create-mesh.ts': 'transport/assembly',
  'src/transport/mesh-browser.ts': 'transport/assembly',
  'src/browser-member.ts': 'browser',
}

/** Rooms whose files run in browsers too, so that nothing of Node may be imported there. */
const roomsWithoutNode = new Set('base core wire ports engine index open level browser demo'.split(' '))

/** The room of a file of `src` or `demo`, by its path from the root. Undefined for tests, which may know everything. */
export function roomOf(path: string): Room | undefined {
  if (ports.includes(path)) return 'ports'
  const assembly = assemblies[path]
  if (assembly !== undefined) return assembly
  if (path.startsWith('demo/')) return 'demo'
  const [, folder = '', name = ''] = /^src\/(?:([^/]+)\/)?(.*)\.c?ts$/.exec(path) ?? []
  if (folder === '') return path.startsWith('src/') ? name : undefined
  const family = adapters[folder]
  if (family === undefined) return folder
  const adapter = family.find(candidate => name === candidate || name.startsWith(`${candidate}-`))
  return adapter === undefined ? `${folder}/shared` : `${folder}/${adapter}`
}

/** Tells why `from` may not import `to`, or undefined where it may. */
export function importFault(from: Room, to: Room): string | undefined {
  if (from === to || allowed(from, to)) return undefined
  return `${from} may not import ${to}`
}

/**
 * The drawers of the engine, from what everybody uses to what puts all together. What lies in the engine itself, beside
 * them, is what a host is made of and what its stores promise. Types may point anywhere: nothing of them runs.
 */
const drawers =
  'calls peers query recipes transactions . membership snapshots replica client store host'.split(' ')

/** Tells why a file of the engine may not use what runs in another one, or undefined where it may. */
export function drawerFault(from: string, to: string): string | undefined {
  const [left, right] = [drawerOf(to), drawerOf(from)]
  if (left === undefined || right === undefined) return undefined
  const isKnown = drawers.includes(left) && drawers.includes(right)
  if (isKnown && drawers.indexOf(left) <= drawers.indexOf(right)) return undefined
  return `engine/${right} may not use engine/${left}`
}

function drawerOf(path: string): string | undefined {
  return /^src\/engine\/(?:([^/]+)\/)?[^/]+$/
    .exec(path)
    ?.slice(1)
    .map(folder => folder ?? '.')[0]
}

export function nodeFault(from: Room): string | undefined {
  return roomsWithoutNode.has(from) ? `${from} runs in browsers and may not import node:` : undefined
}

const foundations = ['base', 'core', 'wire', 'ports']

function allowed(from: Room, to: Room): boolean {
  const [folder, part] = from.split('/')
  // What the adapters of one folder share, they may know; it may know none of them.
  if (part !== undefined && foundations.includes(to)) return true
  if (part === 'assembly') return to.startsWith(`${folder}/`)
  if (part !== undefined) return part !== 'shared' && to === `${folder}/shared`
  if (from === 'testing') return !['server', 'cli', 'demo'].includes(to)
  return (table[from] ?? []).includes(to) || (wires.has(from) && to.includes('/'))
}

/** Rooms that may import adapters: the platforms, where adapters are wired in, and what stands right of them. */
const wires = new Set(['browser', 'node', 'server', 'cli', 'demo'])

const table: Readonly<Record<Room, readonly Room[]>> = {
  base: [],
  core: ['base'],
  wire: ['base', 'core'],
  ports: ['base', 'core', 'wire'],
  engine: foundations,
  index: [...foundations, 'engine'],
  open: [...foundations, 'engine'],
  level: [...foundations, 'engine'],
  browser: [...foundations, 'engine', 'index', 'open'],
  node: [...foundations, 'engine', 'index', 'open'],
  server: [...foundations, 'engine', 'index', 'node'],
  cli: [...foundations, 'engine', 'index', 'node', 'server'],
  demo: [...foundations, 'engine', 'index', 'browser'],
}

import { findFunctions } from './functions.ts'
import type { Import } from './imports.ts'
import { findCycle, findImports } from './imports.ts'
import type { Room } from './rooms.ts'
import { drawerFault, importFault, nodeFault, roomOf } from './rooms.ts'
import type { ScannedText } from './scan.ts'
import { lineAt, scan } from './scan.ts'

/** Files by their path from the root of the repository, with `/` between folders. */
export type Sources = ReadonlyMap<string, string>

/** Checks all rules over all files. A fault is a line `file:line rule`. */
export function checkSources(sources: Sources): string[] {
  const files = Array.from(sources, ([path, text]) => ({ path, scanned: scan(text) }))
  const imports = new Map(files.map(({ path, scanned }) => [path, findImports(path, scanned)]))
  return [
    ...files.flatMap(({ path, scanned }) => [
      ...checkName(path),
      ...checkSize(path, scanned),
      ...checkWords(path, scanned),
      ...checkImports(path, imports.get(path) ?? []),
    ]),
    ...checkPackages(imports),
    ...checkCycles(imports),
  ]
}

export const fileLinesMax = 500
export const functionLinesMax = 70
export const lineCharactersMax = 120

function checkName(path: string): string[] {
  const name = path.split('/').at(-1) ?? ''
  return /^[a-z0-9]+([-.][a-z0-9]+)*$/.test(name) ? [] : [`${path}:1 file names are kebab-case`]
}

function checkSize(path: string, scanned: ScannedText): string[] {
  const lines = scanned.text.trimEnd().split('\n')
  const faults: string[] = []
  if (lines.length > fileLinesMax) {
    faults.push(`${path}:${fileLinesMax} a file has at most ${fileLinesMax} lines, this one ${lines.length}`)
  }
  for (const [number, line] of lines.entries()) {
    if (line.length <= lineCharactersMax) continue
    faults.push(`${path}:${number + 1} a line has at most ${lineCharactersMax} characters`)
  }
  for (const { start, end, label } of findFunctions(scanned.code)) {
    const first = lineAt(scanned.text, start)
    const length = lineAt(scanned.text, end) - first + 1
    // A suite is a list of tests, not a function that one has to understand whole.
    if (length <= functionLinesMax || label === 'describe') continue
    faults.push(`${path}:${first} a function has at most ${functionLinesMax} lines, this one ${length}`)
  }
  return faults
}

interface WordRule {
  readonly pattern: RegExp
  readonly rule: string
  readonly applies: (path: string) => boolean
  /** Searched instead of the code. */
  readonly comments?: boolean
}

const everywhere = (): boolean => true
const inTests = (path: string): boolean => path.startsWith('test/') || path.startsWith('e2e/')
const inPureRooms = (path: string): boolean => /^src\/(base|core)\//.test(path)

/** Files that some tool demands a default export of. */
const defaultExports = ['test/run/reporter.ts', 'test/run/quick-assert.ts', 'e2e/playwright.config.ts']

const wordRules: readonly WordRule[] = [
  {
    pattern: /\bexport\s+default\b|\bas\s+default\b/g,
    rule: 'no default exports',
    applies: path => !defaultExports.includes(path),
  },
  { pattern: /\benum\s+[A-Za-z_$]/g, rule: 'no enums', applies: everywhere },
  { pattern: /(?<![.\w$])any\b(?!\s*[(:=?])/g, rule: 'no any', applies: everywhere },
  { pattern: /[\w$)\]]!(?!=)/g, rule: 'no non-null assertions', applies: everywhere },
  {
    pattern: /\b(?:test|it|describe|suite|t)\s*\.\s*(?:skip|only|todo|fixme)\b|\b(?:skip|only|todo)\s*:/g,
    rule: 'no skipped, lonely or promised tests',
    applies: inTests,
  },
  {
    pattern: /\bT[O]DO\b|\bF[I]XME\b|\bX[X]X\b/g,
    rule: 'no promises in comments',
    applies: everywhere,
    comments: true,
  },
  {
    pattern: /\b(?:Date|performance|async|await|Promise)\b|\bMath\s*\.\s*random\b/g,
    rule: 'base and core are pure and synchronous',
    applies: inPureRooms,
  },
  {
    pattern:
      /\b(?:set(?:Timeout|Interval|Immediate)|queueMicrotask|console|crypto|Text(?:En|De)coder|globalThis)\b/g,
    rule: 'base and core know no platform',
    applies: inPureRooms,
  },
]

function checkWords(path: string, scanned: ScannedText): string[] {
  return wordRules
    .filter(({ applies }) => applies(path))
    .flatMap(({ pattern, rule, comments }) =>
      Array.from((comments ? scanned.comments : scanned.code).matchAll(pattern), match => {
        const found = match[0].trim()
        return `${path}:${lineAt(scanned.text, match.index)} ${rule}: ${found}`
      }),
    )
}

function checkImports(path: string, imports: readonly Import[]): string[] {
  const room = roomOf(path)
  return imports.flatMap(entry => {
    const fault = importFaultOf(room, entry) ?? drawerFaultOf(path, entry)
    return fault === undefined ? [] : [`${path}:${entry.line} ${fault}`]
  })
}

function importFaultOf(room: Room | undefined, entry: Import): string | undefined {
  const { specifier, file, package: packageName } = entry
  if (file !== undefined && !/\.(ts|cts|mjs|json)$/.test(specifier)) {
    return `imports carry their extension: ${specifier}`
  }
  if (room === undefined) return undefined
  if (file === undefined) return packageName === 'node:' ? nodeFault(room) : undefined
  const target = roomOf(file)
  return target === undefined ? `the library may not import ${file}` : importFault(room, target)
}

function drawerFaultOf(path: string, { file, isType }: Import): string | undefined {
  return file === undefined || isType ? undefined : drawerFault(path, file)
}

/** One third-party package is imported by one file: it can be replaced there, and its traps have a place. */
function checkPackages(imports: ReadonlyMap<string, readonly Import[]>): string[] {
  const owners = new Map<string, string>()
  const faults: string[] = []
  for (const [path, list] of imports) {
    if (roomOf(path) === undefined) continue
    for (const { package: name, line } of list) {
      if (name === undefined || name === 'node:') continue
      const owner = owners.get(name) ?? path
      owners.set(name, owner)
      if (owner !== path) faults.push(`${path}:${line} ${name} is imported by ${owner} alone`)
    }
  }
  return faults
}

function checkCycles(imports: ReadonlyMap<string, readonly Import[]>): string[] {
  const graph = new Map(
    Array.from(imports, ([path, list]) => [path, list.flatMap(({ file }) => file ?? [])] as const),
  )
  const cycle = findCycle(graph)
  return cycle === undefined ? [] : [`${cycle[0]}:1 import cycle: ${cycle.join(' -> ')}`]
}

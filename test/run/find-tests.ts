import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/** The kinds of tests that run in Node, by what they need: most run alone and fast, crash tests kill processes. */
export type TestKind = 'unit' | 'conformance' | 'level' | 'crash'

/** All test files of a kind, in the order of their names, optionally only those whose path holds one of `filters`. */
export async function findTests(
  root: string,
  kind: TestKind,
  filters: readonly string[] = [],
): Promise<string[]> {
  const entries = await readdir(join(root, 'test'), { recursive: true, withFileTypes: true })
  const files = entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  const chosen: string[] = []
  for (const file of files) {
    const path = relative(root, file).split(sep).join('/')
    const isWanted = filters.length === 0 || filters.some(filter => path.includes(filter))
    if (isWanted && (await kindOf(path, file)) === kind) chosen.push(file)
  }
  return chosen
}

async function kindOf(path: string, file: string): Promise<TestKind> {
  if (path.startsWith('test/crash/')) return 'crash'
  if (path.startsWith('test/level/')) return 'level'
  // The suites that are published, run over an adapter of ours: a file that imports one holds little else.
  const text = await readFile(file, 'utf8')
  return /from '.*\/testing\/[\w-]*conformance\.ts'/.test(text) ? 'conformance' : 'unit'
}

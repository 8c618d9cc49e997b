import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/** The kinds of tests that run in Node, by what they need: most run alone and fast, crash tests kill processes. */
export type TestKind = 'unit' | 'conformance' | 'crash'

/** All test files of a kind, in the order of their names, optionally only those whose path holds one of `filters`. */
export async function findTests(
  root: string,
  kind: TestKind,
  filters: readonly string[] = [],
): Promise<string[]> {
  const entries = await readdir(join(root, 'test'), { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map(entry => join(entry.parentPath, entry.name))
    .filter(file => {
      const path = relative(root, file).split(sep).join('/')
      return kindOf(path) === kind && (filters.length === 0 || filters.some(filter => path.includes(filter)))
    })
    .sort()
}

function kindOf(path: string): TestKind {
  if (path.startsWith('test/crash/')) return 'crash'
  return path.includes('conformance') ? 'conformance' : 'unit'
}

import { dirname, join } from 'node:path/posix'
import type { ScannedText } from './scan.ts'
import { lineAt } from './scan.ts'

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Nothing of it is there when the program runs. */
  readonly isType: boolean
  /** Path from the root of the repository, where the import names a file of it. */
  readonly file: string | undefined
  /** Name of the package, where it names one; 'node:' for everything that comes with Node. */
  readonly package: string | undefined
}

/** Every import of a file: static, for types, for effects, dynamic, and re-exports. */
export function findImports(path: string, scanned: ScannedText): Import[] {
  const forms = /\b(?:import|export)\b[^'"`;()]*?\bfrom\s*(?=['"])|\bimport\s*\(?\s*(?=['"])/g
  return Array.from(scanned.code.matchAll(forms), match => {
    const quote = match.index + match[0].length
    const end = scanned.code.indexOf(scanned.code.charAt(quote), quote + 1)
    const specifier = scanned.text.slice(quote + 1, end)
    return {
      specifier,
      line: lineAt(scanned.text, quote),
      isType: /^(import|export)\s+type\b/.test(match[0]),
      file: specifier.startsWith('.') ? join(dirname(path), specifier) : undefined,
      package: specifier.startsWith('.') ? undefined : packageOf(specifier),
    }
  })
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:'
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** The first import cycle that is found, as the files along it; undefined when there is none. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next)
      if (cycle !== undefined) return cycle
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const cycle = visit(file)
    if (cycle !== undefined) return cycle
  }
  return undefined
}

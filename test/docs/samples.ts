// The samples of a document: found, compiled and run, so that what a reader copies works.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startSeed } from '../../e2e/helpers/seed.ts'
import { runProcess } from '../run/run-process.ts'

/**
 * A fenced block marked `ts`. What a reader need not see (a stand-in for their own function, say) stands in a comment
 * right before it, `<!-- sample: const render = console.log -->`, and is put in front. A block marked `ts page` needs
 * a page: it is compiled and not run.
 */
export interface Sample {
  /** Of the opening fence, from 1. */
  readonly line: number
  readonly code: string
  readonly runs: boolean
}

export function findSamples(markdown: string): Sample[] {
  const blocks = /(?:<!-- sample:([\s\S]*?)-->\n)?^```ts( page)?\n([\s\S]*?)^```$/gm
  return Array.from(markdown.matchAll(blocks), match => {
    const [whole, preamble = '', page, code = ''] = match
    const fence = match.index + whole.indexOf('```ts')
    return {
      line: markdown.slice(0, fence).split('\n').length,
      code: `${preamble.trim()}\n${code}`,
      runs: page === undefined,
    }
  })
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What the samples import, from the sources: a document is checked before anything is built. */
const entries = {
  quorate: 'src/node.ts',
  'quorate/server': 'src/server/index.ts',
  'quorate/level': 'src/level/index.ts',
  'quorate/testing': 'src/testing/index.ts',
}

/** A place to compile and run samples in: outside the checkout, like a reader's own project. */
export class SampleFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(): Promise<SampleFolder> {
    const path = await mkdtemp(join(tmpdir(), 'quorate-docs-'))
    const paths = Object.entries(entries).map(([name, file]) => [name, [join(root, file)]] as const)
    const compilerOptions = {
      paths: Object.fromEntries(paths),
      typeRoots: [join(root, 'node_modules/@types')],
      // A sample shows one thing; that it does nothing further with it is no mistake.
      noUnusedLocals: false,
    }
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }
    await writeFile(join(path, 'tsconfig.json'), JSON.stringify(config))
    await writeFile(join(path, 'package.json'), JSON.stringify({ type: 'module' }))
    return new SampleFolder(path)
  }

  /** Compiles all samples at once. Returns what the compiler says, with the lines of the document; empty when fine. */
  async compile(samples: readonly Sample[]): Promise<string> {
    for (const sample of samples) await writeFile(this.#file(sample), moduleOf(sample.code))
    const result = await runProcess({
      command: process.execPath,
      arguments: [join(root, 'node_modules/typescript/bin/tsc'), '-p', this.path, '--pretty', 'false'],
      cwd: this.path,
      timeoutMs: 60_000,
    })
    return result.output
  }

  /**
   * Runs a sample until its last statement is done; it need not close what it opened, nor remove what it stored. Where
   * it names the seed at `localhost:8080`, one is started, with the sample's cluster and secret. Returns why it failed;
   * empty when fine.
   */
  async run(sample: Sample): Promise<string> {
    const seed = sample.code.includes('localhost:8080') ? await startSeed(seedOptionsOf(sample)) : undefined
    try {
      const file = this.#file(sample)
      const host = seed === undefined ? '' : new URL(seed.url).host
      await writeFile(file, moduleOf(sample.code.replaceAll('localhost:8080', host)))
      const result = await runProcess({
        command: process.execPath,
        arguments: ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', runner(file)],
        cwd: this.path,
        env: { TSX_TSCONFIG_PATH: join(this.path, 'tsconfig.json') },
        timeoutMs: 30_000,
      })
      return result.ok ? '' : `${result.ending}\n${result.output}${seed?.output() ?? ''}`
    } finally {
      await seed?.close()
    }
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true })
  }

  #file(sample: Sample): string {
    return join(this.path, `line-${sample.line}.ts`)
  }
}

/** A sample without an import is a module all the same, or its names would meet those of the others. */
function moduleOf(code: string): string {
  return `${code}\nexport {}\n`
}

function runner(file: string): string {
  return `await import(${JSON.stringify(pathToFileURL(file).href)}); process.exit(0)`
}

function seedOptionsOf(sample: Sample): { command: string[]; words: string[] } {
  const words = ['cluster', 'secret'].flatMap(name => {
    const value = new RegExp(`\\b${name}: '([^']*)'`).exec(sample.code)?.[1]
    return value === undefined ? [] : [`--${name}`, value]
  })
  return { command: ['--import', 'tsx', join(root, 'src/cli/main.ts')], words }
}

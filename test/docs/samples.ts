// The samples of a document: found, compiled and run, so that what a reader copies works.

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Seed, startSeed } from '../../e2e/helpers/seed.ts'
import { runProcess } from '../run/run-process.ts'

/**
 * A fenced block marked `ts`. What a reader need not see (a stand-in for their own function, say) stands in a comment
 * right before it, `<!-- sample: const render = console.log -->`, and is put in front; for all samples that have none
 * of their own it stands in a comment `<!-- samples: … -->` above them. A block marked `ts name.ts` is a file that
 * others import. `console.log(…) // text` says what is printed, and that is compared.
 */
export interface Sample {
  /** Of the opening fence, from 1. */
  readonly line: number
  readonly code: string
  /** Its name, where others import it; it is not run by itself. */
  readonly file: string | undefined
}

export function findSamples(markdown: string): Sample[] {
  const blocks =
    /<!-- samples:([\s\S]*?)-->|(?:<!-- sample:([\s\S]*?)-->\n)?^```ts(?: ([\w-]+\.ts))?\n([\s\S]*?)^```$/gm
  let ofAll = ''
  return Array.from(markdown.matchAll(blocks)).flatMap(match => {
    const [whole, common, own, file, code = ''] = match
    if (common !== undefined) ofAll = common
    if (common !== undefined) return []
    const before = file === undefined ? (own ?? ofAll).trim() : ''
    const fence = match.index + whole.indexOf('```ts')
    const line = markdown.slice(0, fence).split('\n').length
    return { line, code: `${before}\n${code}`, file }
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
   * Runs samples until their last statements are done; none need close what it opened, nor remove what it stored. Those
   * that name the seed at `localhost:8080` share one, if they share cluster and secret; it has the hooks of the file
   * `hooks.ts`, where there is one among the samples. Returns for each line why that sample failed; empty when fine.
   */
  async run(samples: readonly Sample[]): Promise<ReadonlyMap<number, string>> {
    const groups = new Map<string, Sample[]>()
    for (const sample of samples) {
      const words = sample.code.includes('localhost:8080') ? wordsOf(sample).join(' ') : ''
      groups.set(words, [...(groups.get(words) ?? []), sample])
    }
    const failures = new Map<number, string>()
    for (const group of groups.values()) {
      const outcomes = await this.#runGroup(group)
      for (const [at, { line }] of group.entries()) failures.set(line, outcomes[at] ?? 'it did not end')
    }
    return failures
  }

  async #runGroup(samples: readonly Sample[]): Promise<string[]> {
    const [first] = samples
    const seed = first?.code.includes('localhost:8080') ? await this.#startSeed(first) : undefined
    try {
      const host = seed === undefined ? '' : new URL(seed.url).host
      const tasks = []
      for (const sample of samples) {
        const file = this.#file(sample)
        await writeFile(file, moduleOf(sample.code.replaceAll('localhost:8080', host)))
        tasks.push({ url: pathToFileURL(file).href, prints: printsOf(sample) })
      }
      const result = await runProcess({
        command: process.execPath,
        arguments: ['--import', import.meta.resolve('tsx'), runner, JSON.stringify(tasks)],
        cwd: this.path,
        env: { TSX_TSCONFIG_PATH: join(this.path, 'tsconfig.json') },
        timeoutMs: 100_000,
      })
      const told = Array.from(
        result.output.matchAll(/^@sample (.*)$/gm),
        ([, json = '']) => `${JSON.parse(json)}`,
      )
      if (told.length < samples.length) told.push(`${result.ending}\n${result.output}`)
      return told.map(text => (text === '' ? '' : `${text}\n${seed?.output() ?? ''}`))
    } finally {
      await seed?.close()
    }
  }

  async #startSeed(sample: Sample): Promise<Seed> {
    const hooks = join(this.path, 'hooks.ts')
    const words = existsSync(hooks) ? [...wordsOf(sample), '--hooks', hooks] : wordsOf(sample)
    const env = { TSX_TSCONFIG_PATH: join(this.path, 'tsconfig.json') }
    return startSeed({ command: ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'seed'], words, env })
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true })
  }

  #file(sample: Sample): string {
    return join(this.path, sample.file ?? `line-${sample.line}.ts`)
  }
}

/** A sample without an import is a module all the same, or its names would meet those of the others. */
function moduleOf(code: string): string {
  return `${code}\nexport {}\n`
}

const runner = fileURLToPath(new URL('run-samples.ts', import.meta.url))

/** What it says that it prints: lines that print one thing and have a comment behind it. */
function printsOf({ code }: Sample): string[] {
  return Array.from(code.matchAll(/^ *console\.log\(.*\) \/\/ (.*)$/gm), ([, text = '']) => text)
}

/** Options of the seed that the sample names. */
function wordsOf({ code }: Sample): string[] {
  return ['cluster', 'secret'].flatMap(name => {
    const value = new RegExp(`\\b${name}: '([^']*)'`).exec(code)?.[1]
    return value === undefined ? [] : [`--${name}`, value]
  })
}

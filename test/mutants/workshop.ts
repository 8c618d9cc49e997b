import { readFileSync } from 'node:fs'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Mutant, mutate } from './mutant.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const copied = ['src', 'test', 'package.json', 'tsconfig.json']

/** Reads a source as it is. */
export function readSource(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** A copy of the sources in which one mutant lives at a time. */
export class Workshop {
  readonly root: string

  private constructor(folder: string) {
    this.root = folder
  }

  static async open(): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-mutants-'))
    for (const name of copied) await cp(join(root, name), join(folder, name), { recursive: true })
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    return new Workshop(folder)
  }

  /** Calls `use` while the mutant stands in the copy. */
  async with<Result>(mutant: Mutant, use: () => Promise<Result>): Promise<Result> {
    const changed = mutate(mutant, readSource)
    for (const [file, text] of changed) await writeFile(join(this.root, file), text)
    try {
      return await use()
    } finally {
      for (const file of changed.keys()) await writeFile(join(this.root, file), readSource(file))
    }
  }

  async close(): Promise<void> {
    await rm(this.root, { recursive: true, force: true })
  }
}

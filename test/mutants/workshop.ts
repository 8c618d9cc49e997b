import { readFileSync, rmSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
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

/** Those that stand. */
const folders = new Set<string>()

/** At once: called when the run itself is interrupted. */
export function removeWorkshops(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

/**
 * A copy of the sources in which one mutant lives at a time. What runs in it does not hear of changes to the sources
 * themselves, and leaves its temporary files here: whoever is killed removes none.
 */
export class Workshop {
  readonly root: string

  private constructor(folder: string) {
    this.root = folder
  }

  /** A copy of the checkout, or of another workshop without a mutant. */
  static async open(original: Pick<Workshop, 'root'> = { root }): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-mutants-'))
    folders.add(folder)
    const workshop = new Workshop(folder)
    for (const name of copied) await cp(join(original.root, name), join(folder, name), { recursive: true })
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await mkdir(workshop.temporary)
    return workshop
  }

  /** For whatever runs in here. */
  get temporary(): string {
    return join(this.root, 'tmp')
  }

  /** Calls `use` while the mutant stands in the copy. */
  async with<Result>(mutant: Mutant, use: () => Promise<Result>): Promise<Result> {
    const read = (file: string) => readFileSync(join(this.root, file), 'utf8')
    const changed = mutate(mutant, read)
    const original = new Map(Array.from(changed.keys(), file => [file, read(file)]))
    const write = async (texts: ReadonlyMap<string, string>) => {
      for (const [file, text] of texts) await writeFile(join(this.root, file), text)
    }
    await write(changed)
    try {
      return await use()
    } finally {
      await write(original)
    }
  }

  /** Removes what runs in here left behind, but for what tsx compiled. */
  async tidyUp(): Promise<void> {
    for (const name of await readdir(this.temporary)) {
      if (!name.startsWith('tsx-')) await rm(join(this.temporary, name), { recursive: true, force: true })
    }
  }

  async close(): Promise<void> {
    await rm(this.root, { recursive: true, force: true })
    folders.delete(this.root)
  }
}

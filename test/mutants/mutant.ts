/** A place in the sources, and what a bug would have made of it. */
export interface Edit {
  /** From the root of the project. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}

/** A small, plausible bug. The number is that of the published list, with a letter where one line of it is several. */
export interface Mutant {
  readonly id: string
  readonly title: string
  readonly edits: readonly Edit[]
  /** The test that is likely to tell, as 'engine/store', where it is not among the first of the section. */
  readonly first?: string
  /** Tests that say which messages arrive cannot judge a loss of them. */
  readonly judgedBySimulatorAlone?: true
}

/** Mutants of one part of the system. */
export interface Section {
  readonly name: string
  /** What tests that part, the fastest first. */
  readonly tests: readonly string[]
  readonly mutants: readonly Mutant[]
  /** Changes that break nothing: whoever flags one demands more than was promised. */
  readonly areSafe?: true
}

/** The files that a mutant changes, as it makes them. Throws where the sources are not what it was written for. */
export function mutate(mutant: Mutant, read: (file: string) => string): ReadonlyMap<string, string> {
  const changed = new Map<string, string>()
  for (const { file, find, replace } of mutant.edits) {
    const text = changed.get(file) ?? read(file)
    const places = text.split(find).length - 1
    if (places !== 1) throw new Error(`${mutant.id} no longer applies: ${file} has ${places} of: ${find}`)
    changed.set(
      file,
      text.replace(find, () => replace),
    )
  }
  return changed
}

import { controls } from './controls.ts'
import { elections } from './elections.ts'
import type { Section } from './mutant.ts'

/** All mutants, and what must not be taken for one. */
export const catalogue: readonly Section[] = [elections, controls]

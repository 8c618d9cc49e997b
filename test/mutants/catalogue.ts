import { commands } from './commands.ts'
import { controls } from './controls.ts'
import { elections } from './elections.ts'
import { groups } from './groups.ts'
import { leases } from './leases.ts'
import { membership } from './membership.ts'
import type { Section } from './mutant.ts'
import { ownEngine } from './own-engine.ts'
import { ownGroups } from './own-groups.ts'
import { ownLevel } from './own-level.ts'
import { ownReads } from './own-reads.ts'
import { ownStorage } from './own-storage.ts'
import { reads } from './reads.ts'
import { replication } from './replication.ts'
import { snapshots } from './snapshots.ts'
import { storage } from './storage.ts'
import { watches } from './watches.ts'

/** All mutants, and what must not be taken for one. */
export const catalogue: readonly Section[] = [
  elections,
  replication,
  storage,
  snapshots,
  membership,
  reads,
  commands,
  leases,
  watches,
  groups,
  ownEngine,
  ownLevel,
  ownReads,
  ownStorage,
  ownGroups,
  controls,
]

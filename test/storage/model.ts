import { noEntries, packed } from '../../src/core/raft/entry-list.ts'
import type { Entry, HardState, Snapshot } from '../../src/core/raft/types.ts'
import type { GroupWrite, Storage } from '../../src/storage/storage.ts'
import { chunks, entry, snapshot } from './batches.ts'

// Storage as one would explain it: the whole state is copied, and filtered, at every step.

export interface ModelGroup {
  readonly hardState: HardState
  readonly snapshot: Snapshot | undefined
  readonly entries: readonly Entry[]
  readonly bootstrap: Uint8Array | undefined
}

export interface Model {
  readonly groups: ReadonlyMap<string, ModelGroup>
  readonly values: ReadonlyMap<string, Uint8Array>
}

export const emptyModel: Model = { groups: new Map(), values: new Map() }

const emptyGroup: ModelGroup = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: undefined,
  entries: [],
  bootstrap: undefined,
}

/** A step, by numbers that mean something in every state; `random` is spread over what is possible there. */
export interface Step {
  readonly kind: 'append' | 'overwrite' | 'compact' | 'install' | 'vote' | 'value' | 'remove' | 'together'
  readonly group: string
  readonly random: number
  readonly count: number
}

/** Does the step in a storage that holds what the model holds. */
export async function perform(storage: Storage, model: Model, step: Step): Promise<void> {
  const { groups, values } = writeOf(model, step)
  const own = groups.get(step.group)?.snapshot
  if (step.kind === 'remove') return storage.removeGroup(step.group)
  if (own !== undefined) await storage.saveSnapshot(step.group, own, chunks(dataOf(own)))
  return storage.write({ groups, values })
}

export function after(model: Model, step: Step): Model {
  const groups = new Map(model.groups)
  const values = new Map(model.values)
  if (step.kind === 'remove') {
    groups.delete(step.group)
    return { groups, values }
  }
  const batch = writeOf(model, step)
  for (const [name, write] of batch.groups)
    groups.set(name, afterWrite(groups.get(name) ?? emptyGroup, write))
  for (const [name, value] of batch.values) {
    if (value === undefined) values.delete(name)
    else values.set(name, value)
  }
  return { groups, values }
}

export function dataOf({ index, term }: Snapshot): Uint8Array {
  return new Uint8Array(50).fill((index + term) % 256)
}

function writeOf(model: Model, { kind, group: name, random, count }: Step) {
  const group = model.groups.get(name) ?? emptyGroup
  const base = group.snapshot?.index ?? 0
  const last = Math.max(base, group.entries.at(-1)?.index ?? 0)
  const term = 1 + Math.max(group.entries.at(-1)?.term ?? 0, group.snapshot?.term ?? 0, group.hardState.term)
  const groups = new Map<string, GroupWrite>()
  const values = new Map<string, Uint8Array | undefined>()
  const appended = (from: number, size = 20) =>
    packed(Array.from({ length: count }, (_, i) => entry(term, from + i, size)))
  switch (kind) {
    case 'append':
      groups.set(name, { entries: appended(last + 1) })
      break
    case 'overwrite':
      groups.set(name, { entries: appended(base + 1 + Math.floor(random * (last - base)), 200) })
      break
    case 'compact': {
      const at = group.entries[Math.floor(random * group.entries.length)]
      if (at === undefined || at.index < base) break
      groups.set(name, { snapshot: snapshot(at.index, at.term), compactTo: Math.max(0, at.index - count) })
      break
    }
    case 'install':
      groups.set(name, {
        snapshot: snapshot(base + count, term),
        entries: appended(base + count + 1),
        hardState: { term, vote: 0, commit: base + count },
      })
      break
    case 'vote':
      groups.set(name, { hardState: { term, vote: count, commit: base }, bootstrap: new Uint8Array(count) })
      break
    case 'value':
      values.set(name, random < 0.3 ? undefined : new Uint8Array(count).fill(1))
      break
    case 'together':
      groups.set(name, { entries: appended(last + 1), hardState: { term, vote: 1, commit: base } })
      groups.set('together', { bootstrap: new Uint8Array([count]) })
      values.set('together', new Uint8Array([count]))
      break
    case 'remove':
      break
  }
  return { groups, values }
}

function afterWrite(group: ModelGroup, write: GroupWrite): ModelGroup {
  let { entries } = group
  if (write.snapshot !== undefined) {
    const { index, term } = write.snapshot
    const before = group.snapshot
    const held = entries.some(own => own.index === index && own.term === term)
    if (!held && !(before?.index === index && before.term === term)) entries = []
  }
  const { compactTo = 0, entries: added = noEntries } = write
  entries = entries.filter(({ index }) => index > compactTo)
  const head = added.length > 0 ? added.first : Number.POSITIVE_INFINITY
  return {
    bootstrap: write.bootstrap ?? group.bootstrap,
    snapshot: write.snapshot ?? group.snapshot,
    entries: [...entries.filter(({ index }) => index < head), ...added],
    hardState: write.hardState ?? group.hardState,
  }
}

import type { Model } from './model.ts'
import type { Operation } from './operation.ts'
import { effectOf, registerModel } from './register.ts'
import { isRecord, type ValueText } from './value.ts'

/** One key of the Store. */
export interface KeyState {
  readonly value: ValueText
  /** The last write of the key had this revision; where that is not known, a later one. 0: there was none. */
  readonly revision: number
  readonly isExact: boolean
}

/**
 * The map of the Store: what the register checks, and the revisions that its answers tell. Each write of a key has a
 * larger revision than the one before it, and a condition that failed tells the revision of the value that stands.
 */
export const kvModel: Model<KeyState, Operation> = {
  ...registerModel,
  initial: { value: null, revision: 0, isExact: true },
  step(state, operation) {
    const effect = effectOf(state.value, operation)
    if (effect === undefined) return undefined
    const told = revisionTold(operation)
    if (effect.wrote) return written(state, effect.value, told)
    if (told === undefined) return state
    // Of a key without a value, answers tell revision 0.
    if (state.value === null) return told === 0 ? state : undefined
    if (state.isExact) return told === state.revision ? state : undefined
    return told > state.revision ? { value: state.value, revision: told, isExact: true } : undefined
  },
  // Writes tell their revision; reads and failed conditions, that of the last write before them.
  rank: operation => revisionTold(operation) || undefined,
  fingerprint: ({ value, revision, isExact }) => `${value ?? ''}@${isExact ? '' : '>'}${revision}`,
}

function written(state: KeyState, value: ValueText, told: number | undefined): KeyState | undefined {
  if (told === undefined) return { value, revision: state.revision, isExact: false }
  return told > state.revision ? { value, revision: told, isExact: true } : undefined
}

function revisionTold({ op, outcome, result }: Operation): number | undefined {
  if (outcome !== 'ok' || !isRecord(result)) return undefined
  if (op === 'entry') return numberOf(result.modRevision)
  // The value that a get returns may be a record with a field of that name.
  return ['put', 'insert', 'delete', 'compareAndSwap'].includes(op) ? numberOf(result.revision) : undefined
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

import type { Revision } from '../../core/types.ts'
import type { ModelItem } from '../checkers/transaction-model.ts'
import type { Oracle } from './oracle.ts'

/** What a range of keys held from a revision on. */
export interface RangeState {
  readonly revision: Revision
  /** In the order of their keys. */
  readonly items: readonly ModelItem[]
}

/** A range of keys as it was, from one revision that changed it to the next: for what was told without a revision. */
export class RangeHistory {
  private readonly oracle: Oracle
  private readonly wants: (key: string) => boolean
  private readonly items = new Map<string, ModelItem>()
  private readonly known: RangeState[] = [{ revision: 0, items: [] }]
  private position = 0

  constructor(oracle: Oracle, wants: (key: string) => boolean) {
    this.oracle = oracle
    this.wants = wants
  }

  /** All of them, so far. */
  get states(): readonly RangeState[] {
    const { changes } = this.oracle
    while (this.position < changes.length) {
      const revision = changes[this.position]?.revision ?? 0
      let isChanged = false
      for (; changes[this.position]?.revision === revision; this.position++) {
        const { key = '', item } = changes[this.position] ?? {}
        if (!this.wants(key)) continue
        isChanged = true
        if (item === undefined) this.items.delete(key)
        else this.items.set(key, item)
      }
      if (isChanged) this.known.push({ revision, items: inOrder(this.items.values()) })
    }
    return this.known
  }

  at(revision: Revision): RangeState {
    const { states } = this
    return states[this.positionAt(revision)] as RangeState
  }

  /** The first state of which that is true, of those that stood when `floor` was known, or later. */
  find(floor: Revision, isTrue: (items: readonly ModelItem[]) => boolean): RangeState | undefined {
    const { states } = this
    for (let at = this.positionAt(floor); at < states.length; at++) {
      const state = states[at] as RangeState
      if (isTrue(state.items)) return state
    }
    return undefined
  }

  /** Where the state stands that was there at that revision. */
  positionAt(revision: Revision): number {
    const { states } = this
    let at = states.length - 1
    while ((states[at]?.revision ?? 0) > revision) at--
    return at
  }
}

function inOrder(items: Iterable<ModelItem>): readonly ModelItem[] {
  return [...items].sort((left, right) => (left.key < right.key ? -1 : 1))
}

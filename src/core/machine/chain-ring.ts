import { chainRingEntriesMax } from '../limits.ts'
import type { Index } from '../types.ts'

/** The chain of outcomes after each of some entries that follow each other; `first` is the index of the first. */
export interface Chains {
  readonly first: Index
  readonly chains: readonly number[]
}

/** The chain of outcomes (see `outcome-chain`) after each of the latest entries of a replica. */
export class ChainRing {
  private first: Index
  private chains: number[]
  private kept: { readonly index: Index; readonly chain: number } | undefined

  /** Begins with a state as it is. */
  constructor(index: Index, chain: number) {
    this.first = index
    this.chains = [chain]
  }

  /** After the next entry. */
  add(chain: number): void {
    this.chains.push(chain)
    if (this.chains.length < 2 * chainRingEntriesMax) return
    this.chains = this.chains.slice(chainRingEntriesMax)
    this.first += chainRingEntriesMax
  }

  /** Undefined where it is forgotten, or not there yet. */
  at(index: Index): number | undefined {
    const { kept } = this
    return kept?.index === index ? kept.chain : this.chains[index - this.first]
  }

  /** The same, which is remembered until it is another one's turn: however many entries follow meanwhile. */
  keep(index: Index): number | undefined {
    const chain = this.at(index)
    if (chain !== undefined) this.kept = { index, chain }
    return chain
  }

  /** All that is known, as it is now. */
  copy(): Chains {
    return { first: this.first, chains: this.chains.slice() }
  }
}

/**
 * The first entry whose outcome was another one; where they differ from the beginning of what both know, it was that
 * entry or an earlier one (not exact). Undefined where nothing that both know differs.
 */
export function firstDifference(
  left: Chains,
  right: Chains,
): { readonly revision: Index; readonly isExact: boolean } | undefined {
  const first = Math.max(left.first, right.first)
  const end = Math.min(left.first + left.chains.length, right.first + right.chains.length)
  for (let index = first; index < end; index++) {
    if (left.chains[index - left.first] !== right.chains[index - right.first])
      return { revision: index, isExact: index > first }
  }
  return undefined
}

import type { HostId, Revision } from '../../core/types.ts'
import { encodeValue } from '../../wire/value.ts'
import { TableKeys } from '../query/table-keys.ts'

// The keys of recipes lie in tables of their own, which users cannot open. A name's keys are behind it and U+0000, in
// the order of the revisions that made them: who came first is first, whatever any clock says.

/** Tables of recipes. */
export type RecipeTable = '$lock' | '$semaphore' | '$election' | '$presence' | '$queue' | '$counter'

const separator = '\0'

/** What the keys of a name begin with, in their table. */
export function prefixOf(name: string): string {
  return name + separator
}

/** Ordered as revisions are: all of them have eleven digits then, up to 2^53. */
export function keyOf(prefix: string, revision: Revision): string {
  return prefix + revision.toString(36).padStart(11, '0')
}

/** The name as part of a key of the store. Throws TypeError on what cannot be one, TOO_LARGE. */
export function placeOf(table: RecipeTable, name: unknown): string {
  if (typeof name !== 'string' || name === '' || name.includes(separator))
    throw new TypeError('a name is a string that is not empty and without U+0000')
  const keys = new TableKeys(table)
  // As long as any key of that name will be: that of a claim.
  keys.inStore(keyOf(`${prefixOf(name)}c`, 1))
  return keys.inStore(prefixOf(name))
}

// Hosts send and store no names, so what commands of recipes take, write and give is told apart by position.

/** What stands in a line for one who holds or waits: how many may hold at once (null: all), and what it says. */
export type Place = readonly [host: HostId | null, limit: number | null, value: unknown]

/** Throws as `encodeValue` does, before anything is logged. What is said in a line lies inside of a place. */
export function checkSaid(value: unknown, isPlaced = false): void {
  encodeValue(isPlaced ? ([null, null, value] satisfies Place) : value)
}

/** Arguments of `enterCommand`. Who does not wait where nothing is free writes nothing. */
export type Entering = readonly [
  table: RecipeTable,
  name: string,
  limit: number | null,
  value: unknown,
  lease: number,
  waits: boolean,
]

/** What entering gave: a key and whether it holds already, or why there is none. */
export type Entered =
  | readonly ['entered', key: string, isAdmitted: boolean]
  | readonly ['held']
  | readonly ['full']
  | readonly ['limit', limit: number | null]

/** Arguments of `takeCommand`. Without a lease the item is removed. */
export type Taking = readonly [name: string, lease: number | null]

/**
 * What taking gave, with keys in the table of queues; null: nothing is free. An item alone cannot be read, and was
 * removed: it would stand before all others for ever.
 */
export type Taken = readonly [item: string, claim: string, value: unknown] | readonly [item: string] | null

/** Built-in commands, as they are in the log. */
export const enterCommand = '$enter@1'
export const setCommand = '$set@1'
export const pushCommand = '$push@1'
export const takeCommand = '$take@1'
export const addCommand = '$add@1'

/** Keys of a queue's items and of the claims to them, behind the name. */
export const itemMark = 'i'
export const claimMark = 'c'

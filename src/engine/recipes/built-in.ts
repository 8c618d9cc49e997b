import { isQuorateError } from '../../core/error.ts'
import { linePlacesMax } from '../../core/limits.ts'
import { TableKeys } from '../query/table-keys.ts'
import type { CommandContext } from '../transactions/command.ts'
import type { IncrementOptions } from '../transactions/command-transaction.ts'
import type { TableTransaction } from '../transactions/table-transaction.ts'
import {
  addCommand,
  claimMark,
  type Entered,
  type Entering,
  enterCommand,
  itemMark,
  keyOf,
  type Place,
  prefixOf,
  pushCommand,
  type RecipeTable,
  setCommand,
  type Taken,
  type Taking,
  takeCommand,
} from './places.ts'

// What recipes do in one step, on every replica. A change of what one of these does needs a name with a new version.

type BuiltIn = (tx: TableTransaction, args: never, context: CommandContext) => unknown

function enter(tx: TableTransaction, args: Entering, { host }: CommandContext): Entered {
  const [table, name, limit, value, lease, waits] = args
  const line = tx.of(new TableKeys(table))
  const prefix = prefixOf(name)
  const [first] = line.scan<Place>({ prefix, limit: 1 })
  // The limit is that of whoever is first: it stands as long as anybody is in the line.
  if (first !== undefined && first.value[1] !== limit) return ['limit', first.value[1]]
  const ahead = line.count({ prefix })
  const isAdmitted = limit === null || ahead < limit
  if (!isAdmitted && !waits) return ['held']
  if (ahead >= linePlacesMax) return ['full']
  const key = keyOf(prefix, tx.revision)
  const place: Place = [host ?? null, limit, value]
  line.put(key, place, { lease })
  return ['entered', key, isAdmitted]
}

/** Changes what a place says. It is asked for behind a fence, so the place is there. */
function set(tx: TableTransaction, args: readonly [RecipeTable, string, unknown]): void {
  const [table, key, value] = args
  const line = tx.of(new TableKeys(table))
  const entry = line.entry<Place>(key)
  if (entry === undefined) return
  const [host, limit] = entry.value
  line.put(key, [host, limit, value] satisfies Place, { lease: entry.lease ?? 0 })
}

function push(tx: TableTransaction, [name, value]: readonly [string, unknown]): void {
  tx.of(queueKeys).put(keyOf(prefixOf(name) + itemMark, tx.revision), value)
}

/** The first item that nobody has a claim to: claims it with a lease, or removes it without one. */
function take(tx: TableTransaction, [name, lease]: Taking): Taken {
  const queue = tx.of(queueKeys)
  const items = prefixOf(name) + itemMark
  for (const item of queue.keysOf({ prefix: items })) {
    const claim = prefixOf(name) + claimMark + item.slice(items.length)
    if (queue.has(claim)) continue
    let value: unknown
    try {
      value = queue.get(item)
    } catch (error) {
      if (!isQuorateError(error, 'UNSUPPORTED')) throw error
      queue.delete(item)
      return [item]
    }
    if (lease === null) queue.delete(item)
    else queue.put(claim, null, { lease })
    return [item, claim, value]
  }
  return null
}

function add(tx: TableTransaction, [name, options]: readonly [string, IncrementOptions]): unknown {
  return tx.of(counterKeys).increment(name, options)
}

const queueKeys = new TableKeys('$queue' satisfies RecipeTable)
const counterKeys = new TableKeys('$counter' satisfies RecipeTable)

/** The commands of the recipes by their names. */
export const recipeCommands: Readonly<Record<string, BuiltIn>> = {
  [enterCommand]: enter,
  [setCommand]: set,
  [pushCommand]: push,
  [takeCommand]: take,
  [addCommand]: add,
}

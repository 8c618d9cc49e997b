import type { Item } from '../../core/machine/item.ts'
import type { HostId, Revision } from '../../core/types.ts'
import { decodeValue } from '../../wire/value.ts'
import type { Place } from './places.ts'

/** One who leads, or is present. */
export interface Attendee<Value = unknown> {
  /** Undefined where the group has forgotten the store that wrote it. */
  readonly host: HostId | undefined
  /** What it says. */
  readonly value: Value
  /** Since when: another one for each time that somebody comes. */
  readonly token: Revision
}

/** Who has the place of that key. Its end is the revision that made it; a watch does not tell that. */
export function attendeeOf<Value>({ key, value }: Pick<Item, 'key' | 'value'>): Attendee<Value> {
  const [host, , said] = decodeValue(value) as Place
  const token = Number.parseInt(key.slice(key.lastIndexOf('\0') + 1), 36)
  return { host: host ?? undefined, value: said as Value, token }
}

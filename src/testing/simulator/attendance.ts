import type { GroupId } from '../../core/types.ts'
import type { Attendee } from '../../engine/recipes/attendance.ts'
import type { Holding } from '../../engine/recipes/holding.ts'
import type { HoldOptions } from '../../engine/recipes/line.ts'
import type { Store } from '../../engine/store/store.ts'
import type { CallOptions, ReadOptions, Written } from '../../engine/types.ts'
import type { ModelItem } from '../checkers/transaction-model.ts'
import type { Oracle } from './oracle.ts'
import { RangeHistory } from './range-history.ts'
import { nameOf } from './value-names.ts'

export type Attending = 'election' | 'presence'

/** What elections and presence have in common: who comes says something, and others look at who is there. */
export interface Attendance {
  /** What its keys begin with. */
  readonly prefix: string
  readonly limit: number
  readonly enter: (store: Store, value: string, options: HoldOptions) => Promise<Said>
  /** Who is there, as text. */
  readonly look: (store: Store, options: ReadOptions) => Promise<string>
  readonly watch: (store: Store) => AsyncIterable<string>
  /** What of the line is shown. */
  readonly show: (items: readonly ModelItem[]) => string
}

export interface Said {
  readonly holding: Holding
  readonly say: (value: string, options: CallOptions) => Promise<Written>
}

export const attendances: Readonly<Record<Attending, Attendance>> = {
  election: {
    prefix: '\0$election\0chair\0',
    limit: 1,
    async enter(store, value, options) {
      const holding = await (await store.election('chair')).campaign(value, options)
      return { holding, say: (next, bounds) => holding.proclaim(next, bounds) }
    },
    async look(store, options) {
      const leader = await (await store.election('chair')).leader(options)
      return leader === undefined ? '' : attendeeText(leader)
    },
    async *watch(store) {
      for await (const leader of (await store.election('chair')).observe())
        yield leader === undefined ? '' : attendeeText(leader)
    },
    show: ([first]) => (first === undefined ? '' : itemText(first)),
  },
  presence: {
    prefix: '\0$presence\0room\0',
    limit: Number.POSITIVE_INFINITY,
    async enter(store, value, options) {
      const holding = await (await store.presence('room')).join(value, options)
      return { holding, say: (next, bounds) => holding.update(next, bounds) }
    },
    async look(store, options) {
      return (await (await store.presence('room')).list(options)).map(attendeeText).join('; ')
    },
    async *watch(store) {
      for await (const present of (await store.presence('room')).watch())
        yield present.map(attendeeText).join('; ')
    },
    show: items => items.map(itemText).join('; '),
  },
}

/** The line behind it, as it was. One for each group. */
export function historiesOf(oracleOf: (group: GroupId) => Oracle) {
  const histories = new Map<string, RangeHistory>()
  return (group: GroupId, attending: Attending): RangeHistory => {
    const name = `${group} ${attending}`
    const { prefix } = attendances[attending]
    const history = histories.get(name) ?? new RangeHistory(oracleOf(group), key => key.startsWith(prefix))
    histories.set(name, history)
    return history
  }
}

/** What stands in the place of who says that. */
export function placeText(host: string, limit: number, name: string): string {
  return [host, limit === Number.POSITIVE_INFINITY ? '' : limit, name].join(',')
}

function attendeeText({ token, host, value }: Attendee): string {
  return `${token} ${host} ${nameOf(String(value))}`
}

function itemText({ createRevision, value }: ModelItem): string {
  const [host, , name] = String(value).split(',')
  return `${createRevision} ${host} ${name}`
}

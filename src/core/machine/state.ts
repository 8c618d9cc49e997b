import { OrderedMap, type ReadonlyOrderedMap } from '../../base/ordered-map.ts'
import type { Index } from '../types.ts'
import type { LeaseId, SessionId } from './command.ts'
import type { Item } from './item.ts'
import type { GrantedLease } from './leases.ts'
import { type Members, noMembers } from './members.ts'
import type { Session } from './sessions.ts'

/** The whole replicated state after the entry at `index`. It stays as it is while the machine goes on. */
export interface MachineState {
  readonly index: Index
  readonly times: Times
  /** The hash of all outcomes so far. See `outcome-chain`. */
  readonly chain: number
  readonly items: ReadonlyOrderedMap<string, Item>
  readonly sessions: ReadonlyMap<SessionId, Session>
  readonly leases: ReadonlyOrderedMap<LeaseId, GrantedLease>
  readonly members: Members
}

/** What the log says of time. Neither ever goes back. */
export interface Times {
  /** The group's clock: ms for which it has had a leader. See `Leases`. */
  readonly group: number
  /** The latest wall clock that a command was shown, ms since 1970. */
  readonly wall: number
}

/** The state before the first entry of a log. */
export const emptyState: MachineState = {
  index: 0,
  times: { group: 0, wall: 0 },
  chain: 0,
  items: new OrderedMap(),
  sessions: new Map(),
  leases: new OrderedMap(),
  members: noMembers,
}

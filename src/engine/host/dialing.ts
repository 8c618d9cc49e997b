import { dialsMax } from '../../core/limits.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { Replica } from '../replica/replica.ts'

/** What the choice of connections depends on. */
export interface DialView {
  readonly self: HostId
  /** Hosts that this host's replicas talk to. */
  readonly needed: readonly HostId[]
  /** Groups that this host wants a member of: to join, or to work through it. */
  readonly wantedGroups: readonly GroupId[]
  readonly present: ReadonlySet<HostId>
  /** The host that founds the stores: the one to wait with for a store that nobody has. */
  readonly founder: HostId | undefined
  /** The groups of which a connected host said that it has a replica; undefined before it said anything. */
  groupsOf(host: HostId): ReadonlySet<GroupId> | undefined
  /** A connected host has values of the group, and serves none for now. */
  isSilent(host: HostId, group: GroupId): boolean
  /** A host that is not connected was asked for the group a moment ago, in vain. */
  hasDenied(host: HostId, group: GroupId): boolean
}

/**
 * The hosts to be connected to. Voters mesh and everybody else links to the voters, of whom there are few; whoever
 * looks for a member asks a few of the hosts that are present until it has found two.
 */
export function chooseDials(view: DialView): ReadonlySet<HostId> {
  const chosen = new Set(view.needed)
  for (const group of view.wantedGroups) {
    const present = [...view.present].sort()
    const members = present.filter(host => view.groupsOf(host)?.has(group))
    for (const host of members.slice(0, 2)) chosen.add(host)
    if (members.length >= 2) continue
    if (members.length === 0 && view.founder !== undefined && view.present.has(view.founder))
      chosen.add(view.founder)
    // Where nobody serves, those that could say why, and when that is over.
    const silent = members.length > 0 ? [] : present.filter(host => view.isSilent(host, group))
    for (const host of silent.slice(0, dialsMax)) chosen.add(host)
    const unknown = present.filter(host => view.groupsOf(host) === undefined && !view.hasDenied(host, group))
    for (const host of unknown.slice(0, dialsMax)) chosen.add(host)
  }
  chosen.delete(view.self)
  return chosen
}

/** Voters and the leader are needed by every replica; a leader needs all members that it can reach. */
export function neededBy(replica: Replica, present: ReadonlySet<HostId>): HostId[] {
  const members = replica.members.filter(
    member => member.role === 'voter' || (replica.leads && present.has(member.hostId)),
  )
  const hosts = members.map(member => member.hostId)
  return replica.leader === undefined ? hosts : [...hosts, replica.leader]
}

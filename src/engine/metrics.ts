import type { GroupId, Index, Term } from '../core/types.ts'
import type { PeerStatus, TransportCounters } from '../transport/transport.ts'

/** What a host counted since it started; plain numbers, to be handed to whatever watches over it. */
export interface HostMetrics {
  readonly host: {
    /** Turns of its loop. */
    readonly turns: number
    /** Gaps in its clock of an election timeout or more: the process was suspended. */
    readonly pauses: number
    readonly framesSent: number
    readonly bytesSent: number
    readonly framesReceived: number
    readonly bytesReceived: number
    /** Writes to its storage, each for all groups that had something to store. */
    readonly writes: number
    /** Connected hosts, now. */
    readonly peers: number
    /** Bytes that wait to be sent, now. */
    readonly queuedBytes: number
  }
  readonly groups: Readonly<Record<GroupId, GroupMetrics>>
  /** Frames that were refused or dropped, by reason. */
  readonly dropped: TransportCounters
}

/** A group as this host knows it, now. */
export interface GroupMetrics {
  /** 1 while this host leads it, else 0. */
  readonly leads: number
  /** 1 while it sleeps, else 0. */
  readonly asleep: number
  readonly term: Term
  readonly commit: Index
  readonly applied: Index
  readonly members: number
  readonly keys: number
  /** How often this host heard of another leader, since it started. */
  readonly leaderChanges: number
}

/** What this takes from a host's `info()`. */
interface Info {
  readonly peers: readonly PeerStatus[]
  readonly counters: TransportCounters
  readonly stores: readonly (Omit<GroupMetrics, 'leads' | 'asleep' | 'members' | 'leaderChanges'> & {
    readonly group: GroupId
    readonly role: string
    readonly asleep: boolean
    readonly members: readonly unknown[]
  })[]
}

export function hostMetrics(
  counted: Omit<HostMetrics['host'], 'peers' | 'queuedBytes'>,
  { peers, counters, stores }: Info,
  leaderChanges: (group: GroupId) => number,
): HostMetrics {
  const groups = stores.map(({ group, role, asleep, term, commit, applied, members, keys }) => {
    const flags = { leads: role === 'leader' ? 1 : 0, asleep: asleep ? 1 : 0 }
    const numbers = { term, commit, applied, members: members.length, keys }
    return [group, { ...flags, ...numbers, leaderChanges: leaderChanges(group) }] as const
  })
  const queuedBytes = peers.reduce((sum, peer) => sum + peer.queuedBytes, 0)
  return {
    host: { ...counted, peers: peers.length, queuedBytes },
    groups: Object.fromEntries(groups),
    dropped: counters,
  }
}

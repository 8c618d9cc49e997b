import type { Random } from '../../base/random.ts'
import type { GroupId, HostId, ReplicaId } from '../../core/types.ts'
import { asArray, asBoolean, asNatural, asText } from '../../wire/guards.ts'
import { Condition } from '../calls/condition.ts'

/** Groups that one hello may name. */
const groupsMax = 1024

/** Hellos of one life differ by less than this in their numbers; lives begin at random in a range far larger. */
const hellosMax = 2 ** 20

/** A replica as its host names it in a hello. */
export interface NamedReplica {
  readonly group: GroupId
  readonly id: ReplicaId
  /** It keeps no values, or serves none for now: whoever looks for a replica to read from looks on. */
  readonly isWitness: boolean
  /** A hash of the names of its commands; undefined: a witness or an older host does not say. */
  readonly commands?: number | undefined
}

/** What a host says of itself. */
export interface Hello {
  readonly replicas: readonly NamedReplica[]
  /** The groups of which the host has a replica since, or none any more. */
  readonly changed: readonly GroupId[]
  /** The host wants to know whether it was heard. */
  readonly isAsking: boolean
}

interface Peer {
  /** Undefined before the host has said anything. */
  readonly groups: ReadonlySet<GroupId> | undefined
  /** Those of them of which it has values. */
  readonly serving: ReadonlySet<GroupId> | undefined
  /** Those of which it has values, too, and serves none for now: it waits for a command, or is in quarantine. */
  readonly silent: ReadonlySet<GroupId> | undefined
  /** How much it shall lead, as it says itself. */
  readonly priority: number | undefined
  /** The number of its last hello, for it to know that it was heard. */
  readonly version: number
  /** It has heard our present hello. */
  readonly knowsUs: boolean
}

const stranger: Peer = {
  groups: undefined,
  serving: undefined,
  silent: undefined,
  priority: undefined,
  version: 0,
  knowsUs: false,
}

/**
 * The connected hosts, and what they said of themselves in their hello. A hello is said again until it is known to be
 * heard: what a peer does not know of this host it may wait for in vain, and for ever.
 */
export class PeerBook {
  /** A host said that it has a replica since, or none any more: there may be somebody to ask. */
  readonly news = new Condition()
  private readonly peers = new Map<HostId, Peer>()
  /** What hosts had values of that went a moment ago. */
  private readonly gone = new Map<HostId, ReadonlySet<GroupId>>()
  /** The number of our own hello. Begins at random: an earlier life's is none of ours. */
  private version: number

  constructor(random: Random) {
    this.version = 1 + Math.floor(random() * 2 ** 45)
  }

  /** This host has something else to say of itself than before. */
  renew(): void {
    this.version += 1
    for (const [host, peer] of this.peers) this.peers.set(host, { ...peer, knowsUs: false })
  }

  /** The body of our own hello. */
  hello(to: HostId, replicas: Iterable<NamedReplica>, priority: number): unknown {
    const { version, knowsUs } = this.peers.get(to) ?? stranger
    return [
      Array.from(replicas, ({ group, id, isWitness, commands }) => [group, id, isWitness, commands ?? null]),
      this.version,
      version,
      !knowsUs,
      priority,
    ]
  }

  /** Takes in a hello. One that comes late, behind a younger one of the same life, says what is no longer true. */
  receive(from: HostId, body: unknown): Hello {
    const [list, version, heard, isAsking, priority] = asArray(body, 5)
    const known = this.peers.get(from)?.version ?? 0
    const behind = known - asNatural(version)
    if (behind > 0 && behind < hellosMax) return { replicas: [], changed: [], isAsking: asBoolean(isAsking) }
    const replicas = asArray(list)
      .slice(0, groupsMax)
      .map((value): NamedReplica => {
        const [group, id, isWitness, hash = null] = asArray(value, 3)
        const commands = hash === null ? undefined : asNatural(hash)
        return { group: asText(group), id: asNatural(id), isWitness: asBoolean(isWitness), commands }
      })
    const groups = new Set(replicas.map(({ group }) => group))
    const serving = new Set(replicas.flatMap(({ group, isWitness }) => (isWitness ? [] : [group])))
    const isSilent = ({ isWitness, commands }: NamedReplica) => isWitness && commands !== undefined
    const silent = new Set(replicas.filter(isSilent).map(({ group }) => group))
    const before = this.peers.get(from)?.groups ?? new Set()
    const knowsUs = asNatural(heard) === this.version
    this.peers.set(from, {
      groups,
      serving,
      silent,
      priority: asNatural(priority),
      version: asNatural(version),
      knowsUs,
    })
    const changed = [...groups, ...before].filter(group => groups.has(group) !== before.has(group))
    if (changed.length > 0) this.news.notify()
    return { replicas, changed, isAsking: asBoolean(isAsking) }
  }

  connected(peer: HostId): void {
    this.peers.set(peer, { ...(this.peers.get(peer) ?? stranger), knowsUs: false })
  }

  disconnected(peer: HostId): void {
    const { serving } = this.peers.get(peer) ?? stranger
    if (serving !== undefined) this.gone.set(peer, serving)
    this.peers.delete(peer)
  }

  /** Connected hosts that have not heard what this host is now, as far as it knows. */
  unaware(): readonly HostId[] {
    return [...this.peers].flatMap(([host, { knowsUs }]) => (knowsUs ? [] : [host]))
  }

  priorityOf(host: HostId): number | undefined {
    return this.peers.get(host)?.priority
  }

  /** The groups of which a host has values. */
  groupsOf(host: HostId): ReadonlySet<GroupId> | undefined {
    return this.peers.get(host)?.serving
  }

  /** The host has values of the group, and serves none for now. */
  isSilent(host: HostId, group: GroupId): boolean {
    return this.peers.get(host)?.silent?.has(group) === true
  }

  /**
   * The host said that it has no values of the group, and went: nobody wanted it. To ask it again at once would go on
   * for ever, and leave no connection for those who were not asked yet.
   */
  hasDenied(host: HostId, group: GroupId): boolean {
    return this.gone.get(host)?.has(group) === false
  }

  /** Time has passed: hosts that went may have something else to say. */
  forgetGone(): void {
    this.gone.clear()
  }

  /** Connected hosts with a replica of the group that keeps values, in a fixed order. */
  hostsOf(group: GroupId): readonly HostId[] {
    return [...this.peers].flatMap(([host, { serving }]) => (serving?.has(group) ? [host] : [])).sort()
  }

  /** The same, for who asks through them; where there are none, those that can say at least why they serve nobody. */
  gatewaysOf(group: GroupId): readonly HostId[] {
    const serving = this.hostsOf(group)
    if (serving.length > 0) return serving
    return [...this.peers.keys()].filter(host => this.isSilent(host, group)).sort()
  }

  /** Connected hosts, without those that said that they have no replica of the group. */
  hostsThatMayRun(group: GroupId): readonly HostId[] {
    return [...this.peers].flatMap(([host, { groups }]) => ((groups?.has(group) ?? true) ? [host] : []))
  }
}

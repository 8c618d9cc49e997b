import type { GroupId, HostId, ReplicaId } from '../core/types.ts'
import { asArray, asNatural, asText } from '../wire/guards.ts'

/** Groups that one hello may name. */
const groupsMax = 1024

/** A replica as its host names it in a hello. */
export interface NamedReplica {
  readonly group: GroupId
  readonly id: ReplicaId
}

/** What connected hosts said of themselves in their hello. */
export class PeerBook {
  private readonly groups = new Map<HostId, ReadonlySet<GroupId>>()

  /** The body of our own hello. */
  hello(replicas: Iterable<NamedReplica>): unknown {
    return [Array.from(replicas, ({ group, id }) => [group, id])]
  }

  /** Returns the replicas that the host says it has. */
  receive(from: HostId, body: unknown): readonly NamedReplica[] {
    const list = asArray(asArray(body, 1)[0]).slice(0, groupsMax)
    const replicas = list.map(value => {
      const [group, id] = asArray(value, 2)
      return { group: asText(group), id: asNatural(id) }
    })
    this.groups.set(from, new Set(replicas.map(({ group }) => group)))
    return replicas
  }

  disconnected(peer: HostId): void {
    this.groups.delete(peer)
  }

  groupsOf(host: HostId): ReadonlySet<GroupId> | undefined {
    return this.groups.get(host)
  }

  /** Connected hosts with a replica of the group, in a fixed order. */
  hostsOf(group: GroupId): readonly HostId[] {
    return [...this.groups].flatMap(([host, groups]) => (groups.has(group) ? [host] : [])).sort()
  }
}

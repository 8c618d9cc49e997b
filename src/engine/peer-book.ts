import type { GroupId, HostId } from '../core/types.ts'
import { asArray, asText } from '../wire/guards.ts'

/** Groups that one hello may name. */
const groupsMax = 1024

/** What connected hosts said of themselves in their hello. */
export class PeerBook {
  private readonly groups = new Map<HostId, ReadonlySet<GroupId>>()

  /** The body of our own hello. */
  hello(groups: Iterable<GroupId>): unknown {
    return [[...groups]]
  }

  receive(from: HostId, body: unknown): void {
    const groups = asArray(asArray(body, 1)[0]).slice(0, groupsMax)
    this.groups.set(from, new Set(groups.map(group => asText(group))))
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

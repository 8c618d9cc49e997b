import { membersMax } from '../../core/limits.ts'
import type { HostId, ReplicaId } from '../../core/types.ts'
import type { Member } from '../types.ts'

/** Replicas whose hosts a replica knows: members, and those that joined after the state it has. */
const knownHostsMax = 2 * membersMax

/** Which host has which replica of a group, as one replica knows it. */
export class KnownHosts {
  private hosts = new Map<ReplicaId, HostId>()

  of(replica: ReplicaId): HostId | undefined {
    return this.hosts.get(replica)
  }

  /** The member table, which says it for certain. */
  learn(members: readonly Member[]): void {
    if (members.length > 0) this.hosts = new Map(members.map(member => [member.replica, member.hostId]))
  }

  /**
   * Whether the host may speak for the replica. A replica that has not applied its own joining yet does not know the
   * others: it believes whoever speaks first, and answers where it was addressed.
   */
  maySpeak(host: HostId, replica: ReplicaId): boolean {
    if (!this.hosts.has(replica) && this.hosts.size < knownHostsMax) this.hosts.set(replica, host)
    return this.hosts.get(replica) === host
  }
}

import type { Emitter } from '../../base/emitter.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { Replica } from '../replica/replica.ts'
import type { HostEvents, Member, StoreStatus } from '../types.ts'

interface Known {
  readonly leader: HostId | undefined
  readonly role: StoreStatus['role']
  readonly members: readonly Member[]
}

/** Tells the host's listeners what is new in a group: who leads it, what this host is in it, who its members are. */
export class GroupNews {
  private readonly emitter: Emitter<HostEvents>
  private readonly known = new Map<GroupId, Known>()
  private readonly leaders = new Map<GroupId, number>()

  constructor(emitter: Emitter<HostEvents>) {
    this.emitter = emitter
  }

  /** How often this host heard of a leader that it had not known to lead. */
  leaderChanges(group: GroupId): number {
    return this.leaders.get(group) ?? 0
  }

  changed(replica: Replica): void {
    const { group, leader, members, term } = replica
    const role = replica.role()
    const known = this.known.get(group)
    this.known.set(group, { leader, role, members })
    if (known?.leader !== leader && leader !== undefined)
      this.leaders.set(group, this.leaderChanges(group) + 1)
    if (known?.leader !== leader || known?.role !== role)
      this.emitter.emit('leader', { group, leader, role, term })
    if (known?.members !== members) this.emitter.emit('members', { group, members })
  }
}

import { QuorateError } from '../core/error.ts'
import type { GroupId } from '../core/types.ts'
import { asArray, asText } from '../wire/guards.ts'
import { groupOf } from './member-request.ts'
import type { Membership } from './membership.ts'
import type { Replica } from './replica.ts'
import type { Requests } from './requests.ts'

/** What hosts ask each other about members, and whether they are there. `replicaOf` throws where there is none. */
export function serveMembership(
  requests: Requests,
  membership: Membership,
  replicaOf: (group: GroupId) => Replica,
): void {
  requests.serve('ping', async () => null)
  requests.serve('join', (from, body, call) => {
    const fields = asArray(body, 1)
    return membership.serveJoin(replicaOf(groupOf(fields)), from, fields[1] ?? false, call)
  })
  requests.serve('admit', async (from, body, call) => {
    const [group, host, witness] = asArray(body, 2)
    const replica = replicaOf(asText(group))
    if (!membership.isMember(replica, from))
      // One that was removed and does not know it was asked: the newcomer goes on to another.
      throw new QuorateError('NOT_MEMBER', 'only members admit others', { retryable: true })
    return membership.admit(replica, asText(host), witness, call)
  })
  requests.serve('change', (_from, body, call) => {
    const fields = asArray(body, 3)
    return membership.serveChange(replicaOf(groupOf(fields)), fields, call)
  })
  requests.serve('lead', (_from, body, call) => {
    const fields = asArray(body, 3)
    return membership.serveLead(replicaOf(groupOf(fields)), fields, call)
  })
}

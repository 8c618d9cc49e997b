import type { HostId, HostInfo, Member } from '../src/browser.ts'

/** How this host reaches another one. */
export type Connection = HostInfo['peers'][number]

/** One host of the cluster, put together from what the store, the connections and the seed say. */
export interface HostView {
  readonly hostId: string
  readonly isSelf: boolean
  readonly isLeader: boolean
  /** A guest is present, but has no replica of the store that this host knows of. */
  readonly role: 'voter' | 'learner' | 'guest'
  readonly wanted: 'voter' | 'learner' | undefined
  /** It keeps no values, and cannot lead. */
  readonly isWitness: boolean
  /** How much it counts as a voter; 0 for a guest. */
  readonly weight: number
  readonly connection: Connection | undefined
  /** Connected, seen by a seed, or ourselves. */
  readonly isHere: boolean
}

/** Everybody who belongs to the cluster or is here now, ourselves first, then by id. */
export function viewCluster(
  info: HostInfo,
  members: readonly Member[],
  leader?: HostId,
): readonly HostView[] {
  const self = info.hostId
  const memberOf = new Map(members.map(member => [member.hostId, member]))
  const connections = new Map(
    info.peers.filter(peer => peer.path !== 'none').map(peer => [peer.hostId, peer]),
  )
  const present = new Set(info.present)
  const ids = new Set([...memberOf.keys(), ...connections.keys(), ...present])
  ids.delete(self)
  return [self, ...[...ids].sort()].map(hostId => {
    const member = memberOf.get(hostId)
    const connection = connections.get(hostId)
    return {
      hostId,
      isSelf: hostId === self,
      isLeader: hostId === leader,
      role: member?.role ?? 'guest',
      wanted: member?.wanted,
      isWitness: member?.witness === true,
      weight: member?.weight ?? 0,
      connection,
      isHere: hostId === self || connection !== undefined || present.has(hostId),
    }
  })
}

/** What a host is and shall be, in a word or two. */
export function describeRole({ role, wanted, isWitness, weight }: HostView): string {
  if (role === 'guest') return 'no replica'
  const part = isWitness ? 'witness' : role
  const notes = [
    isStandingBy({ role, wanted }) ? 'stands by' : isWitness && role === 'learner' ? 'does not vote' : '',
    role === 'voter' && wanted === 'learner' ? 'to become learner' : '',
    weight > 1 ? `weight ${weight}` : '',
  ]
  return [part, ...notes].filter(text => text !== '').join(', ')
}

/** Promoted, and waiting for another one: an even number of voters tolerates no more failures. */
export function isStandingBy({ role, wanted }: Pick<HostView, 'role' | 'wanted'>): boolean {
  return role === 'learner' && wanted === 'voter'
}

/** In words: who is missing, or how many may go before nothing is decided any more. */
export function describeQuorum(hosts: readonly HostView[]): string {
  const voters = hosts.filter(({ role }) => role === 'voter')
  const here = voters.filter(({ isHere }) => isHere)
  if (voters.length === 0) return ''
  if (here.length < voters.length) return `${here.length} of ${voters.length} voters here`
  if (voters.some(({ weight }) => weight !== voters[0]?.weight)) return `${voters.length} voters, by weight`
  const spare = Math.ceil(voters.length / 2) - 1
  const loss = spare === 0 ? 'no loss tolerated' : `${spare} may fail`
  return `${voters.length} ${voters.length === 1 ? 'voter' : 'voters'}, ${loss}`
}

export function describeConnection({ connection, isSelf, isHere }: HostView): string {
  if (isSelf) return 'this tab'
  if (connection === undefined) return isHere ? 'seen by the seed, not connected' : 'not here'
  const way = connection.path === 'relay' ? 'relayed by the seed' : connection.path
  const candidate = connection.candidate === undefined ? undefined : `${connection.candidate} candidate`
  return [way, candidate, describeRoundTrip(connection)].filter(part => part !== undefined).join(' · ')
}

export function describeRoundTrip({ roundTripMs }: Connection): string | undefined {
  if (roundTripMs === undefined) return undefined
  return `${roundTripMs < 10 ? roundTripMs.toFixed(1) : roundTripMs.toFixed(0)} ms`
}

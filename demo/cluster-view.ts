import type { HostInfo, StoreStatus } from '../src/browser.ts'

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
  readonly connection: Connection | undefined
  /** Connected, seen by a seed, or ourselves. */
  readonly isHere: boolean
}

/** Everybody who belongs to the cluster or is here now, ourselves first, then by id. */
export function viewCluster(self: string, info: HostInfo, status: StoreStatus): readonly HostView[] {
  const members = new Map(status.members.map(member => [member.hostId, member]))
  const connections = new Map(
    info.peers.filter(peer => peer.path !== 'none').map(peer => [peer.hostId, peer]),
  )
  const present = new Set(info.present)
  const ids = new Set([...members.keys(), ...connections.keys(), ...present])
  ids.delete(self)
  return [self, ...[...ids].sort()].map(hostId => {
    const member = members.get(hostId)
    const connection = connections.get(hostId)
    return {
      hostId,
      isSelf: hostId === self,
      isLeader: hostId === status.leader,
      role: member?.role ?? 'guest',
      wanted: member?.wanted,
      connection,
      isHere: hostId === self || connection !== undefined || present.has(hostId),
    }
  })
}

/** A majority in words: how many voters can go away before nothing is decided any more. */
export function describeQuorum({ members }: StoreStatus): string {
  const voters = members.filter(({ role }) => role === 'voter').length
  if (voters === 0) return ''
  const spare = voters - (Math.floor(voters / 2) + 1)
  const loss = spare === 0 ? 'no loss tolerated' : `${spare} may fail`
  return `${voters} ${voters === 1 ? 'voter' : 'voters'}, ${loss}`
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

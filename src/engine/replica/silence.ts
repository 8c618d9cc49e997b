import type { Emitter } from '../../base/emitter.ts'
import { lastHeardMax } from '../../core/limits.ts'
import { type Member, mayMakeRoom } from '../../core/machine/members.ts'
import type { HostId } from '../../core/types.ts'
import type { EngineOptions, HostParts } from '../parts.ts'
import type { HostEvents } from '../types.ts'

/**
 * How long a leader has not heard its learners, as far as its own memory goes: nobody counts as silent for longer than
 * since this host last heard of another leader. Tells who gives way where the group is full.
 */
export interface Silence {
  /** The host asks to join. */
  heard(host: HostId): void
  /**
   * The learner that is away the longest, and long enough to make room; undefined where every one is here, was a moment
   * ago, is to vote, or is a witness, which somebody has set up to vote.
   */
  longest(members: readonly Member[]): HostId | undefined
}

export function startSilence(
  { clock, transport }: HostParts,
  { silentMs }: EngineOptions,
  emitter: Emitter<HostEvents>,
): Silence {
  /** When hosts that are not connected were heard last. */
  const lastHeard = new Map<HostId, number>()
  /** Nothing older is remembered: anybody may have been there until then. */
  let forgottenAt = 0
  const forget = () => {
    lastHeard.clear()
    forgottenAt = clock.now()
  }
  const heard = (host: HostId) => {
    if (lastHeard.size >= lastHeardMax) forget()
    lastHeard.set(host, clock.now())
  }
  emitter.on('leader', forget)
  emitter.on('disconnected', ({ hostId }) => heard(hostId))
  return {
    heard,
    longest: members => {
      const here = transport.present()
      let longest: HostId | undefined
      let earliest = clock.now() - silentMs
      for (const member of members) {
        const since = lastHeard.get(member.host) ?? forgottenAt
        if (!mayMakeRoom(member) || here.has(member.host) || since >= earliest) continue
        longest = member.host
        earliest = since
      }
      return longest
    },
  }
}

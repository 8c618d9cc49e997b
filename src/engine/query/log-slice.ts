import type { SessionId } from '../../core/machine/command.ts'
import type { Entry } from '../../core/raft/types.ts'
import type { HostId, Revision } from '../../core/types.ts'
import { decodeEntries, encodeEntries } from '../../wire/entry-codec.ts'
import { asArray, asBytes, asNatural, asText } from '../../wire/guards.ts'
import { decodeProposal } from '../../wire/proposal-codec.ts'

/** A part of the log, and what it takes to tell of it. */
export interface LogSlice {
  /** Where the slice begins: where to go on from when there is nothing in it. */
  readonly from: Revision
  readonly entries: readonly Entry[]
  /** Who opened a session, where it is not over. */
  hostOf(session: SessionId): HostId | undefined
}

/** A slice as it is sent. */
export function logSliceBody({ from, entries, hostOf }: LogSlice): unknown {
  const sessions = entries.map(({ type, data }) =>
    type === 'normal' && data.length > 0 ? decodeProposal(data).session : 0,
  )
  const hosts = [...new Set(sessions)].map(session => [session, hostOf(session) ?? ''])
  return [from, encodeEntries(entries), hosts]
}

/** The reverse of `logSliceBody`. */
export function asLogSlice(body: unknown): LogSlice {
  const [from, entries, hosts] = asArray(body, 3)
  const hostBySession = new Map(
    asArray(hosts).map((pair): [SessionId, HostId] => {
      const [session, host] = asArray(pair, 2)
      return [asNatural(session), asText(host)]
    }),
  )
  return {
    from: asNatural(from),
    entries: decodeEntries(asBytes(entries)),
    hostOf: session => hostBySession.get(session) || undefined,
  }
}

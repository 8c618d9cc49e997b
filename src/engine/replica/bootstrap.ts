import { assert } from '../../base/assert.ts'
import { Machine } from '../../core/machine/machine.ts'
import { noMembers } from '../../core/machine/members.ts'
import { planFounding } from '../../core/machine/members-plan.ts'
import type { MachineState } from '../../core/machine/state.ts'
import { emptyConfState } from '../../core/raft/memory-log.ts'
import type { Snapshot } from '../../core/raft/types.ts'
import type { GroupId, HostId, ReplicaId } from '../../core/types.ts'
import type { Storage } from '../../storage/storage.ts'
import { decode, encode } from '../../wire/codec.ts'
import { asArray, asBoolean, asNatural, asText } from '../../wire/guards.ts'
import { encodeSnapshot, SnapshotDecoder } from '../../wire/snapshot-codec.ts'
import type { HostParts } from '../parts.ts'
import { unpackChunk } from '../snapshots/snapshot-chunk.ts'

/**
 * A host's part in a group, durable before its replica says its first word: a replica that forgot it could vote a
 * second time under the same id (mutant M66). Checked at every start.
 */
export interface Bootstrap {
  readonly cluster: string
  readonly host: HostId
  readonly replica: ReplicaId
  /** The group removed the replica: it must not speak any more. */
  readonly isRemoved: boolean
  /** It keeps no values. What the host's options say later changes nothing of that. */
  readonly isWitness: boolean
}

export function encodeBootstrap({ cluster, host, replica, isRemoved, isWitness }: Bootstrap): Uint8Array {
  return encode([cluster, host, replica, isRemoved, isWitness])
}

/** Throws MalformedError. */
export function decodeBootstrap(bytes: Uint8Array): Bootstrap {
  const [cluster, host, replica, isRemoved, isWitness = false] = asArray(decode(bytes), 4)
  return {
    cluster: asText(cluster),
    host: asText(host),
    replica: asNatural(replica),
    isRemoved: asBoolean(isRemoved),
    isWitness: asBoolean(isWitness),
  }
}

/**
 * Stores a new group with this host as its only member. It begins with a snapshot at index 1, so that whoever joins
 * gets configuration and members from the leader and never from options.
 */
export async function foundGroup(
  storage: Storage,
  group: GroupId,
  founder: Omit<Bootstrap, 'replica' | 'isRemoved' | 'isWitness'>,
) {
  const plan = planFounding(noMembers, founder.host)
  assert(plan.type === 'change', 'a group without members can be founded')
  const machine = new Machine()
  machine.applyMembers(1, plan.delta)
  const [member] = machine.members.list
  assert(member !== undefined, 'a founded group has a member')
  const snapshot: Snapshot = { index: 1, term: 1, conf: { ...emptyConfState, voters: [member.replica] } }
  await storage.saveSnapshot(group, snapshot, chunksOf(machine.snapshot()))
  const { replica } = member
  const bootstrap = encodeBootstrap({ ...founder, replica, isRemoved: false, isWitness: false })
  const hardState = { term: 1, vote: 0, commit: 1 }
  await storage.write({ groups: new Map([[group, { bootstrap, snapshot, hardState }]]) })
  return { replica: member.replica, snapshot, hardState, state: machine.snapshot() }
}

/** The state at a stored snapshot. */
export async function loadState(
  { storage, deflate }: Pick<HostParts, 'storage' | 'deflate'>,
  group: GroupId,
  snapshot: Snapshot,
): Promise<MachineState> {
  const decoder = new SnapshotDecoder()
  for await (const chunk of storage.readSnapshot(group, snapshot))
    decoder.push(await unpackChunk(chunk, deflate))
  return decoder.end()
}

async function* chunksOf(state: MachineState): AsyncGenerator<Uint8Array> {
  yield* encodeSnapshot(state)
}

import { unappliedBytesMax } from '../../core/limits.ts'
import type { Message } from '../../core/raft/message.ts'
import type { Index } from '../../core/types.ts'
import type { Applier } from './applier.ts'
import type { Writer } from './writer.ts'

/**
 * Whether a replica takes the entries of a message. What its disk or its state machine has no time for is as good as
 * lost on the way: the leader sends it again. Applying is waited for only where something can be applied: entries that
 * wait for their commit may need the very ones that are refused for it.
 */
export function hasRoom(applier: Applier, writer: Writer, { entries }: Message, commit: Index): boolean {
  const { bytes } = entries
  if (bytes === 0) return true
  const isBehind = applier.bytesWaiting > unappliedBytesMax && commit > applier.machine.appliedIndex
  return !isBehind && writer.admits(bytes)
}

import type { Message } from '../../core/raft/message.ts'
import type { HardState } from '../../core/raft/types.ts'
import type { GroupWrite } from '../../storage/storage.ts'

/**
 * What of Raft's appends is worth a write. A commit index alone is not: it is learnt again after a restart (Raft paper,
 * figure 2, has it among the volatile state). It goes along with the next write, so that the next proposal does not
 * wait for it.
 */
export class GroupWrites {
  /** The last hard state handed to storage, and a later one that differs in its commit index only. */
  private written: HardState
  private unwritten: HardState | undefined

  constructor(stored: HardState) {
    this.written = stored
  }

  /** The write for a MsgStorageAppend; without any field where nothing has to be durable. */
  of({ entries, term, vote, commit, snapshot }: Message): GroupWrite {
    if (term > 0) this.unwritten = { term, vote, commit }
    const isVote = term > 0 && (term !== this.written.term || vote !== this.written.vote)
    if (entries.length === 0 && snapshot === null && !isVote) return {}
    const hardState = this.unwritten
    this.unwritten = undefined
    if (hardState !== undefined) this.written = hardState
    return {
      ...(snapshot !== null ? { snapshot } : {}),
      ...(entries.length > 0 ? { entries } : {}),
      ...(hardState !== undefined ? { hardState } : {}),
    }
  }
}

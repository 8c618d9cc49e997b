import { assert } from '../../base/assert.ts'
import type { ReplicaId } from '../types.ts'
import type { Entries } from './entry-list.ts'
import { blankMessage, localAppendThread, localApplyThread, type Message } from './message.ts'
import type { Raft, ReadState, Role } from './raft.ts'
import { stepPeer, storageAppended, storageApplied } from './step.ts'
import type { HardState, Snapshot } from './types.ts'

export interface SoftState {
  /** 0: none is known. */
  readonly leader: ReplicaId
  readonly role: Role
}

/**
 * What the engine has to do now. Without asynchronous storage writes, in this order: store `snapshot`,
 * `entries` and `hardState` atomically (durably where `mustSync`), send `messages`, apply `snapshot` and
 * `committedEntries`, call `advance`. With them, `messages` says it all: deliver each one, MsgStorageAppend
 * to whoever writes and MsgStorageApply to whoever applies, in order, and step or send their responses when
 * that is done.
 */
export interface Ready {
  /** Null when neither changed. */
  readonly softState: SoftState | null
  /** Null when it did not change. */
  readonly hardState: HardState | null
  readonly readStates: readonly ReadState[]
  readonly entries: Entries
  readonly snapshot: Snapshot | null
  readonly committedEntries: Entries
  readonly messages: readonly Message[]
  /** Entries, term or vote changed. A commit index alone may be lost: it is learnt again. */
  readonly mustSync: boolean
}

/** Takes what a replica wants done out of it, and remembers what was handed out. */
export class ReadyQueue {
  private readonly raft: Raft
  private readonly isAsync: boolean
  private readonly appliesUnstable: boolean
  private softState: SoftState
  private hardState: HardState
  /** What Ready's completion means for the replica itself; delivered by `advance`. */
  private onAdvance: Message[] = []

  constructor(raft: Raft) {
    this.raft = raft
    this.isAsync = raft.config.asyncStorageWrites
    this.appliesUnstable = !this.isAsync || raft.config.applyUnstable === true
    this.softState = { leader: raft.leader, role: raft.role }
    this.hardState = raft.hardState()
  }

  hasReady(): boolean {
    const { raft } = this
    return (
      raft.outbox.length > 0 ||
      raft.outboxAfterAppend.length > 0 ||
      raft.log.unstable.hasNext() ||
      raft.log.hasNextCommitted(this.appliesUnstable) ||
      raft.readStates.length > 0 ||
      raft.log.unstable.nextSnapshot() !== null ||
      this.hasNewSoftState() ||
      this.hasNewHardState()
    )
  }

  take(): Ready {
    const { raft, isAsync } = this
    assert(this.onAdvance.length === 0, 'ready was called twice without advance')
    const entries = raft.log.unstable.next()
    const mustSync =
      entries.length > 0 || raft.vote !== this.hardState.vote || raft.term !== this.hardState.term
    const ready = {
      softState: this.takeSoftState(),
      hardState: this.takeHardState(),
      readStates: raft.readStates,
      entries,
      snapshot: raft.log.unstable.nextSnapshot(),
      committedEntries: raft.log.nextCommitted(this.appliesUnstable),
      messages: raft.outbox,
      mustSync,
    }
    if (isAsync) this.orderStorage(ready)
    else this.prepareAdvance(ready)
    raft.outbox = []
    raft.outboxAfterAppend = []
    raft.readStates = []
    raft.log.unstable.acceptInProgress()
    raft.log.acceptApplying(ready.committedEntries, this.appliesUnstable)
    return ready
  }

  advance(): void {
    assert(!this.isAsync, 'advance is not used with asynchronous storage writes')
    const messages = this.onAdvance
    this.onAdvance = []
    for (const message of messages) {
      if (message.type === 'MsgStorageAppendResp') storageAppended(this.raft, message)
      else if (message.type === 'MsgStorageApplyResp') storageApplied(this.raft, message)
      else stepPeer(this.raft, message)
    }
  }

  private hasNewSoftState(): boolean {
    return this.raft.leader !== this.softState.leader || this.raft.role !== this.softState.role
  }

  private hasNewHardState(): boolean {
    const { raft, hardState } = this
    return (
      raft.term !== hardState.term || raft.vote !== hardState.vote || raft.log.committed !== hardState.commit
    )
  }

  private takeSoftState(): SoftState | null {
    if (!this.hasNewSoftState()) return null
    this.softState = { leader: this.raft.leader, role: this.raft.role }
    return this.softState
  }

  private takeHardState(): HardState | null {
    if (!this.hasNewHardState()) return null
    this.hardState = this.raft.hardState()
    return this.hardState
  }

  /** Promises to others are sent after the write, in the same Ready; those to itself wait for `advance`. */
  private prepareAdvance(ready: Ready & { readonly messages: Message[] }): void {
    for (const message of this.raft.outboxAfterAppend) {
      if (message.to === this.raft.id) this.onAdvance.push(message)
      else ready.messages.push(message)
    }
    const appended = this.appendResponse(ready)
    if (appended !== undefined) this.onAdvance.push(appended)
    if (ready.committedEntries.length > 0) this.onAdvance.push(this.applyResponse(ready))
  }

  private orderStorage(ready: Ready & { readonly messages: Message[] }): void {
    const { raft } = this
    const { entries, hardState, snapshot } = ready
    const responses = raft.outboxAfterAppend
    if (entries.length > 0 || hardState !== null || snapshot !== null || responses.length > 0) {
      const appended = this.appendResponse(ready)
      if (appended !== undefined) responses.push(appended)
      ready.messages.push({
        ...blankMessage,
        type: 'MsgStorageAppend',
        from: raft.id,
        to: localAppendThread,
        term: hardState?.term ?? 0,
        vote: hardState?.vote ?? 0,
        commit: hardState?.commit ?? 0,
        entries,
        snapshot,
        responses,
      })
    }
    if (ready.committedEntries.length > 0) {
      ready.messages.push({
        ...blankMessage,
        type: 'MsgStorageApply',
        from: raft.id,
        to: localApplyThread,
        entries: ready.committedEntries,
        responses: [this.applyResponse(ready)],
      })
    }
  }

  /**
   * Names the last entry that will be durable then, whether it is in this write or in an earlier one: every
   * later write repeats the claim under the term of its time, so that one that was made under an older term
   * and ignored is not missed.
   */
  private appendResponse(ready: Ready): Message | undefined {
    const { raft } = this
    const hasEntries = raft.log.unstable.length > 0
    if (!hasEntries && ready.snapshot === null) return undefined
    return {
      ...blankMessage,
      type: 'MsgStorageAppendResp',
      from: localAppendThread,
      to: raft.id,
      term: raft.term,
      index: hasEntries ? raft.log.lastIndex() : 0,
      logTerm: hasEntries ? raft.log.lastTerm() : 0,
      snapshot: ready.snapshot,
    }
  }

  private applyResponse(ready: Ready): Message {
    return {
      ...blankMessage,
      type: 'MsgStorageApplyResp',
      from: localApplyThread,
      to: this.raft.id,
      entries: ready.committedEntries,
    }
  }
}

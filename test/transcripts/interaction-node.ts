import { seededRandom } from '../../src/base/random.ts'
import {
  type ConfChange,
  type Entries,
  type Entry,
  type HardState,
  MemoryLog,
  type Message,
  type RaftConfig,
  RaftNode,
  type Snapshot,
} from '../../src/core/raft/index.ts'

export type NodeOptions = Omit<RaftConfig, 'id' | 'log' | 'random' | 'applied'>

/** The configuration that transcripts start from: three ticks to an election, and no bounds. */
export const stubOptions: NodeOptions = {
  electionTicks: 3,
  heartbeatTicks: 1,
  asyncStorageWrites: false,
  earlyVoteRequests: true,
  preVote: false,
  checkQuorum: false,
  readOnly: 'safe',
  appendBytesMax: Number.MAX_SAFE_INTEGER,
  inflightMessagesMax: 2 ** 31 - 1,
  inflightBytesMax: Number.MAX_SAFE_INTEGER,
  uncommittedBytesMax: Number.MAX_SAFE_INTEGER,
  committedBytesMax: Number.MAX_SAFE_INTEGER,
  disableProposalForwarding: false,
  stepDownOnRemoval: false,
  disableConfChangeValidation: false,
}

/**
 * Hands out the most recent state of the state machine as snapshot, at whatever index the log was compacted.
 */
class HistoryLog extends MemoryLog {
  private readonly history: readonly Snapshot[]

  constructor(history: readonly Snapshot[]) {
    super({ snapshot: history[0] })
    this.history = history
  }

  override snapshot(): Snapshot {
    return this.history.at(-1) as Snapshot
  }
}

/** A replica of the environment with its storage, its state machine and its storage threads. */
export class InteractionNode {
  readonly options: NodeOptions
  readonly raft: RaftNode
  readonly log: MemoryLog
  readonly appendWork: Message[] = []
  readonly applyWork: Message[] = []
  /** The state after every applied entry. Only what a snapshot says of itself is kept. */
  private readonly history: Snapshot[]

  constructor(id: number, options: NodeOptions, snapshot: Snapshot) {
    this.options = options
    this.history = [snapshot]
    this.log = new HistoryLog(this.history)
    this.raft = new RaftNode({
      ...options,
      id,
      log: this.log,
      applied: snapshot.index,
      random: seededRandom(id),
    })
  }

  storedEntries(): readonly Entry[] {
    const entries = this.log.entries(
      this.log.firstIndex(),
      this.log.lastIndex() + 1,
      Number.POSITIVE_INFINITY,
    )
    if (typeof entries === 'string') throw new Error(entries)
    return [...entries]
  }

  store(hardState: HardState | null, snapshot: Snapshot | null, entries: Entries): void {
    if (hardState !== null) this.log.setHardState(hardState)
    if (snapshot !== null) this.log.applySnapshot(snapshot)
    this.log.append(entries)
  }

  apply(entries: Entries): void {
    for (const { index, term, change } of entries) {
      const conf = change === null ? this.recent().conf : this.applyChange(change)
      this.history.push({ index, term, conf })
    }
  }

  private applyChange(change: ConfChange) {
    return this.raft.applyConfChange(change)
  }

  private recent(): Snapshot {
    return this.history.at(-1) as Snapshot
  }
}

export type { RaftConfig, ReadOnlyMode } from './config.ts'
export { type Entries, packed } from './entry-list.ts'
export type { LogStorage } from './log-storage.ts'
export { emptyConfState, MemoryLog } from './memory-log.ts'
export {
  blankMessage,
  isLocalThread,
  localAppendThread,
  localApplyThread,
  type Message,
  type MessageType,
} from './message.ts'
export type { ProgressState } from './progress.ts'
export type { ProposeRefusal, ProposeResult } from './proposal.ts'
export type { ReadState, Role } from './raft.ts'
export { RaftNode, type RaftStatus, type ReplicaProgress } from './raft-node.ts'
export type { Ready, SoftState } from './ready.ts'
export type { StepResult } from './step.ts'
export type { ConfChange, ConfChangeStep, ConfState, Entry, EntryType, HardState, Snapshot } from './types.ts'

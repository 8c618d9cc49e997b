import type { Random } from '../../base/random.ts'
import type { HostId } from '../types.ts'
import type { Transaction } from './transaction.ts'

/**
 * What a command of that name does. It must do the same on every replica: nothing may go in but the transaction, the
 * arguments and the context. Throwing undoes all of it; a CommandFailure tells the caller why.
 */
export type CommandHandler = (transaction: Transaction, args: Uint8Array, context: CallContext) => Uint8Array

/** The handlers of a store by the names of their commands. */
export type CommandHandlers = Pick<ReadonlyMap<string, CommandHandler>, 'get' | 'has'>

export interface CallContext {
  /** The wall clock of the leader that logged the command, ms since 1970; never less than an earlier command saw. */
  readonly now: number
  /** The same numbers on every replica, others for each entry. */
  readonly random: Random
  /** The host whose session the command belongs to; undefined without a session. */
  readonly host: HostId | undefined
}

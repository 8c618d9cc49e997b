import { QuorateError } from '../core/error.ts'
import { proposalBytesMax } from '../core/limits.ts'
import type { CommandHandler, CommandHandlers } from '../core/machine/handler.ts'
import { CommandFailure } from '../core/machine/transaction.ts'
import type { HostId } from '../core/types.ts'
import { encodeOnce } from '../wire/codec.ts'
import { decodeValue } from '../wire/value.ts'
import { type CommandTransaction, TableTransaction } from './command-transaction.ts'
import { runTxn, type Txn } from './txn.ts'

export interface CommandContext {
  /** The wall clock of the leader, ms since 1970. It never goes back; take it for `Date.now()`. */
  readonly now: number
  /** From 0 to below 1, the same numbers on every replica. Take it for `Math.random()`. */
  readonly random: () => number
  /** The host whose store called the command; undefined where it is not known any more. */
  readonly host: HostId | undefined
}

/**
 * A command of the application: runs on every replica in the order of the log, in a transaction of its own, and must do
 * the same on each of them. So it takes time and random numbers from its context, reads nothing but the transaction and
 * its arguments, is no async function, and is registered under a new version when it changes. Its result is a value.
 * Throwing undoes all of it: with a CommandError the caller learns why, with anything else that it failed.
 */
export type Command = {
  // As a method, so that a command may say what its arguments are.
  run(tx: CommandTransaction, args: unknown, context: CommandContext): unknown
}['run']

/** Commands by their names, which say what they do and which version they are: `seat.reserve@1`. */
export type Commands = Readonly<Record<string, Command>>

/** Thrown by a command to tell its caller why it failed. Code and data must be the same on every replica. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: string
  readonly data: unknown

  constructor(code: string, data: unknown = null) {
    super(code)
    this.code = code
    this.data = data
  }
}

/** The name under which `store.txn` and its kin are in the log. */
export const txnCommand = '$txn@1'

const builtIn: Commands = { [txnCommand]: (tx, txn) => runTxn(tx, txn as Txn) }

/** What a replica can run: what every replica can, and what the application gave it. */
export class CommandTable implements CommandHandlers {
  private readonly own: () => Commands
  private readonly handlers = new Map<Command, CommandHandler>()

  constructor(own: () => Commands) {
    this.own = own
  }

  has(name: string): boolean {
    return this.find(name) !== undefined
  }

  get(name: string): CommandHandler | undefined {
    const command = this.find(name)
    if (command === undefined) return undefined
    const known = this.handlers.get(command)
    if (known !== undefined) return known
    const handler = handlerOf(command)
    this.handlers.set(command, handler)
    return handler
  }

  private find(name: string): Command | undefined {
    const commands = name.startsWith('$') ? builtIn : this.own()
    return Object.hasOwn(commands, name) ? commands[name] : undefined
  }
}

/** Throws TypeError on what are no commands. */
export function checkCommands(commands: Commands): Commands {
  for (const [name, command] of Object.entries(commands)) {
    checkCommandName(name)
    if (typeof command !== 'function') throw new TypeError(`the command ${name} is a function`)
  }
  return commands
}

export function checkCommandName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !/^[A-Za-z][\w.-]{0,127}@[0-9]{1,9}$/.test(name))
    throw new TypeError('the name of a command says its version: seat.reserve@1')
}

/** What goes into the log, or comes out of a command: as large as an entry may be. */
export function encodeArgs(value: unknown): Uint8Array {
  return encodeOnce(value, argsBytesMax).slice()
}

/** An entry, but for its name and session. */
const argsBytesMax = proposalBytesMax - 4096

function handlerOf(command: Command): CommandHandler {
  return (transaction, args, context) => {
    try {
      const result = command(new TableTransaction(transaction), decodeValue(args), context)
      return encodeArgs(result === undefined ? null : result)
    } catch (error) {
      throw failureOf(error)
    }
  }
}

/** Whatever is the same on every replica becomes part of the result; what engines word as they like does not. */
function failureOf(error: unknown): unknown {
  if (error instanceof CommandError) return new CommandFailure(error.code, encodeArgs(error.data))
  if (error instanceof QuorateError && error.code === 'TOO_LARGE') return new CommandFailure(error.code)
  return error
}

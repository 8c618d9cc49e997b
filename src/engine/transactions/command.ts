import { keepBytes } from '../../base/keep-bytes.ts'
import { messageDepthMax, proposalBytesMax, resultBytesMax, valueDepthMax } from '../../core/limits.ts'
import type { HostId } from '../../core/types.ts'
import { encodeOnce } from '../../wire/codec.ts'
import { decodeValue } from '../../wire/value.ts'
import type { CommandTransaction } from './command-transaction.ts'

/** What a command may know besides its transaction and arguments: the same on every replica. */
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
 * its arguments, is no async function, and is registered under a new version when it changes. Its result is a value,
 * undefined counts as null.
 * Throwing undoes all of it: with a CommandError the caller learns why, with anything else that it failed.
 */
export type Command = {
  // As a method, so that a command may say what its arguments are.
  run(tx: CommandTransaction, args: unknown, context: CommandContext): unknown
}['run']

/** Commands by their names, which say what they do and which version they are: `seat.reserve@1`. */
export type Commands = Readonly<Record<string, Command>>

/** A page, a seed and the module of its `--hooks` may each have a copy of this library, and so of the class below. */
const mark: unique symbol = Symbol.for('quorate.CommandError')

/**
 * Thrown by a command to tell its caller why it failed. Code and data must be the same on every replica. A code is an
 * UPPER_SNAKE name of at most 64 characters, the data a value; anything else is a TypeError.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: string
  readonly data: unknown
  /** @internal */
  readonly [mark] = true

  constructor(code: string, data: unknown = null) {
    super(code)
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(code)) throw new TypeError('the code of a CommandError is UPPER_SNAKE')
    this.code = code
    this.data = data
  }
}

/** Whichever copy of the class made it: replicas that saw different errors would differ for good. */
export function isCommandError(error: unknown): error is CommandError {
  return typeof error === 'object' && error !== null && mark in error
}

/** The name under which `store.txn` and its kin are in the log. */
export const txnCommand = '$txn@1'

/** Throws TypeError on what are no commands. */
export function checkCommands(commands: Commands): Commands {
  if (typeof commands !== 'object' || commands === null) throw new TypeError('commands is an object')
  for (const [name, command] of Object.entries(commands)) {
    checkCommandName(name)
    if (typeof command !== 'function') throw new TypeError(`the command ${name} is a function`)
    // As far as it can be told: what was translated to an older JavaScript looks like any other function.
    if (Object.prototype.toString.call(command) !== '[object Function]')
      throw new TypeError(`the command ${name} must be a plain function, not an async one or a generator`)
  }
  return commands
}

export function checkCommandName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !/^[A-Za-z][\w.-]{0,127}@[0-9]{1,9}$/.test(name))
    throw new TypeError('the name of a command says its version: seat.reserve@1')
}

/** What a command is given: as large as an entry may be. */
export function encodeArgs(value: unknown): Uint8Array {
  return keepBytes(encodeOnce(value, argsBytesMax, argsDepthMax))
}

/** What a command gives. */
export function encodeResult(value: unknown): Uint8Array {
  return keepBytes(encodeOnce(value === undefined ? null : value, resultBytesMax))
}

/** Either of them, new at every call. It may be nested deeper than a value: it has values inside. */
export function decodeCall(bytes: Uint8Array): unknown {
  return decodeValue(bytes, messageDepthMax)
}

/** A value that is too deep is refused in a transaction, three levels down, where it is asked for. */
const argsDepthMax = valueDepthMax + 3
/** An entry, but for its name and session. */
const argsBytesMax = proposalBytesMax - 4096

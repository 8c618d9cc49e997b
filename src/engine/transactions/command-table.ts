import { QuorateError } from '../../core/error.ts'
import type { CommandHandler, CommandHandlers } from '../../core/machine/handler.ts'
import { CommandFailure } from '../../core/machine/transaction.ts'
import { encodeValue } from '../../wire/value.ts'
import { isPromise } from '../calls/is-promise.ts'
import { recipeCommands } from '../recipes/built-in.ts'
import {
  type Command,
  type Commands,
  decodeCall,
  encodeResult,
  isCommandError,
  txnCommand,
} from './command.ts'
import { runTxn } from './run-txn.ts'
import { TableTransaction } from './table-transaction.ts'

/** Each is given a TableTransaction: see `handlerOf`. */
const builtIn = { [txnCommand]: runTxn, ...recipeCommands } as Commands

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

function handlerOf(command: Command): CommandHandler {
  return (transaction, args, context) => {
    try {
      const result = command(new TableTransaction(transaction), decodeCall(args), context)
      if (isPromise(result)) throw new TypeError('a command is no async function')
      return encodeResult(result)
    } catch (error) {
      throw failureOf(error)
    }
  }
}

/** Whatever is the same on every replica becomes part of the result; what engines word as they like does not. */
function failureOf(error: unknown): unknown {
  if (isCommandError(error)) return new CommandFailure(error.code, encodeValue(error.data))
  if (error instanceof QuorateError && error.code === 'TOO_LARGE') return new CommandFailure(error.code)
  return error
}

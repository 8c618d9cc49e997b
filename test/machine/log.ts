import type { Command, Proposal, Result, SessionId } from '../../src/core/machine/command.ts'
import type { CommandHandler, CommandHandlers } from '../../src/core/machine/handler.ts'
import { type Applied, Machine, type MachineLimits } from '../../src/core/machine/machine.ts'
import { CommandFailure, type Transaction } from '../../src/core/machine/transaction.ts'

/** Limits small enough to be met in a test. */
export const smallLimits: MachineLimits = {
  sessionsMax: 3,
  sessionWindowMax: 4,
  sessionWindowBytesMax: 10,
  historyChangesMax: 8,
  historyBytesMax: 1_000_000,
}

/** Arguments of `write@1`: what it puts, or deletes where the value is null, and whether it fails in the end. */
export interface CallArgs {
  readonly writes: readonly (readonly [string, string | null])[]
  readonly lease: number
  readonly fails: boolean
}

/** A command for models: it puts with the lease, where there is one, and gives back how many keys there were. */
export const writeAll: CommandHandlers = new Map<string, CommandHandler>([
  [
    'write@1',
    (tx, args) => {
      const { writes, lease, fails } = callArgsOf(args)
      const size = [...tx.scan({})].length
      for (const [key, value] of writes) {
        if (value === null) tx.delete(key)
        else putLeased(tx, key, bytes(value), lease)
      }
      if (fails) throw new CommandFailure('ASKED')
      return bytes(String(size))
    },
  ],
])

export function write(args: CallArgs): Command {
  return { type: 'call', name: 'write@1', args: bytes(JSON.stringify(args)), now: 0 }
}

export function callArgsOf(args: Uint8Array): CallArgs {
  return JSON.parse(new TextDecoder().decode(args))
}

function putLeased(tx: Transaction, key: string, value: Uint8Array, lease: number): void {
  try {
    tx.put(key, value, lease)
  } catch {
    tx.put(key, value)
  }
}

/** A machine together with the end of its log, so that a test need not count indexes. */
export class Log {
  readonly machine: Machine

  constructor(machine = new Machine()) {
    this.machine = machine
  }

  apply(command: Command): Applied {
    return this.propose({ session: 0, seq: 0, acked: 0, command })
  }

  propose(proposal: Proposal): Applied {
    return this.machine.apply(this.machine.appliedIndex + 1, proposal)
  }

  open(host = 'host'): SessionId {
    const { result } = this.apply({ type: 'open-session', host })
    return result.type === 'session' ? result.session : 0
  }

  /** The result of a command in a session. */
  ask(session: SessionId, seq: number, command: Command, acked = 0): Result {
    return this.propose({ session, seq, acked, command }).result
  }
}

export function put(key: string, value: string): Command {
  return { type: 'put', key, value: bytes(value) }
}

export function insert(key: string, value: string): Command {
  return { type: 'insert', key, value: bytes(value) }
}

export function remove(key: string): Command {
  return { type: 'delete', key }
}

export function swap(key: string, expected: string | null, value: string | null): Command {
  return { type: 'compare-and-swap', key, expected: maybeBytes(expected), value: maybeBytes(value) }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function maybeBytes(text: string | null): Uint8Array | null {
  return text === null ? null : bytes(text)
}

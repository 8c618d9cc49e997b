import { equalBytes } from '../base/bytes.ts'
import { seededRandom } from '../base/random.ts'
import type { Proposal } from '../core/machine/command.ts'
import { type Applied, Machine } from '../core/machine/machine.ts'
import type { HostId } from '../core/types.ts'
import { keyInTable } from '../engine/query/table-keys.ts'
import { type Commands, checkCommands, decodeCall, encodeArgs } from '../engine/transactions/command.ts'
import { CommandTable } from '../engine/transactions/command-table.ts'
import { decodeValue, encodeValue } from '../wire/value.ts'

/** A call of a command, as `store.command` makes it. */
export interface CommandCall {
  readonly name: string
  /** Default: null. */
  readonly args?: unknown
  /** The host whose store calls. Default: `host`. */
  readonly host?: HostId
}

/** A command did not do the same when it was run a second time. */
export class DeterminismError extends Error {
  override readonly name = 'DeterminismError'
  /** The command. */
  readonly command: string
  /** The position of the call among all calls. */
  readonly call: number
  /** What was not the same: what it gave or threw, what it wrote, or its arguments, which it changed. */
  readonly differs: 'result' | 'changes' | 'arguments'

  constructor(of: Pick<DeterminismError, 'command' | 'call' | 'differs'>, message: string) {
    super(message)
    this.command = of.command
    this.call = of.call
    this.differs = of.differs
  }
}

/**
 * Runs the calls in their order on a store of its own, and all of them once more on another, as two replicas would;
 * throws a DeterminismError at the first call that has not the same result or does not write the same, byte for byte.
 * The second time it is another day and `Math.random` gives other numbers, and what the commands left behind outside of
 * their transaction is still there: so a command is caught that reads a clock, rolls dice or remembers. It is caught,
 * too, when it changes its arguments. What differs only between engines or machines (a locale, say) is not.
 */
export function checkDeterminism(commands: Commands, calls: readonly CommandCall[]): void {
  checkCommands(commands)
  const first = runAll(commands, calls)
  const second = elsewhere(() => runAll(commands, calls))
  for (const [call, { name }] of calls.entries()) {
    const [one, other] = [first[call], second[call]]
    if (one === undefined || other === undefined) continue
    for (const differs of ['result', 'changes'] as const) {
      if (equalBytes(encodeValue(one[differs]), encodeValue(other[differs]))) continue
      const what = differs === 'result' ? 'gave' : 'wrote'
      const shown = `${JSON.stringify(one[differs])} and then ${JSON.stringify(other[differs])}`
      throw new DeterminismError({ command: name, call, differs }, `${name} (call ${call}) ${what} ${shown}`)
    }
  }
}

interface Outcome {
  readonly result: unknown
  readonly changes: unknown
}

function runAll(commands: Commands, calls: readonly CommandCall[]): readonly Outcome[] {
  let call = 0
  const watched = Object.entries(commands).map(([name, command]) => {
    const run: typeof command = (tx, args, context) => {
      const before = encodeValue(args)
      const result = command(tx, args, context)
      if (!equalBytes(before, encodeValue(args)))
        mistakes.push(
          new DeterminismError(
            { command: name, call, differs: 'arguments' },
            `${name} (call ${call}) changed its arguments to ${JSON.stringify(args)}`,
          ),
        )
      return result
    }
    return [name, run] as const
  })
  const mistakes: DeterminismError[] = []
  const table: Commands = Object.fromEntries(watched)
  const machine = new Machine({ handlers: new CommandTable(() => table) })
  const sessions = new Map<HostId, number>()
  let index = 0
  const apply = (proposal: Proposal) => machine.apply(++index, proposal)
  const outcomes: Outcome[] = []
  for (const { name, args = null, host = 'host' } of calls) {
    let session = sessions.get(host)
    if (session === undefined) {
      const opened = apply({ session: 0, seq: 0, acked: 0, command: { type: 'open-session', host } })
      session = opened.result.type === 'session' ? opened.result.session : 0
      sessions.set(host, session)
    }
    if (!machine.knows(callOf(name, args, session, call))) throw new TypeError(`there is no command ${name}`)
    outcomes.push(outcomeOf(apply(callOf(name, args, session, call))))
    const [mistake] = mistakes
    if (mistake !== undefined) throw mistake
    call += 1
  }
  return outcomes
}

function callOf(name: string, args: unknown, session: number, call: number): Proposal {
  const now = firstMs + call * 1000
  const command = { type: 'call', name, args: encodeArgs(args), now } as const
  return { session, seq: call + 1, acked: call, command }
}

/** What the leader's clock says at the first call. */
const firstMs = Date.UTC(2020, 0, 1)

/** As values, so that a difference can be shown. */
function outcomeOf({ result, changes }: Applied): Outcome {
  const given =
    result.type === 'called'
      ? { value: decodeCall(result.value) }
      : result.type === 'failed'
        ? { code: result.code, data: result.detail && decodeValue(result.detail) }
        : { type: result.type }
  const written = changes.map(({ key, item }) => ({
    ...keyInTable(key),
    ...(item === null ? { deleted: true } : { value: decodeValue(item.value), lease: item.lease }),
  }))
  return { result: given, changes: written }
}

/** Runs it where the clock and the dice are others. */
function elsewhere<Result>(run: () => Result): Result {
  const { Date: realDate } = globalThis
  const { random } = Math
  const later = 400 * 24 * 60 * 60 * 1000 + 12_345
  class OtherDate extends realDate {
    constructor(...parts: readonly unknown[]) {
      if (parts.length === 0) super(realDate.now() + later)
      else super(...(parts as [number]))
    }
    static override now(): number {
      return realDate.now() + later
    }
  }
  globalThis.Date = OtherDate as DateConstructor
  Math.random = seededRandom(later)
  try {
    return run()
  } finally {
    globalThis.Date = realDate
    Math.random = random
  }
}

import type { Model } from './model.ts'
import { HistoryError, type Operation } from './operation.ts'
import { isRecord, type ValueText, valueText } from './value.ts'

/** What an operation does to one value. */
export interface Effect {
  /** The value after it. */
  readonly value: ValueText
  /** Whether it wrote. */
  readonly wrote: boolean
}

/**
 * One value per key, at first absent, with the names of the literature (`read`, `write`, `cas`) or of the Store (`get`,
 * `put`, `compareAndSwap`, `insert`, `delete`, and `entry` for `{ value, modRevision }`). Results are checked by what
 * they say of values and of success. `staleEntry` is a read that promises nothing.
 */
export const registerModel: Model<ValueText, Operation> = {
  initial: null,
  step: (value, operation) => effectOf(value, operation)?.value,
  isObservation: ({ op, result }) =>
    pureOperations.has(op) || (conditionalOperations.has(op) && saysOk(result) === false),
  isBlind: ({ op }) => blindOperations.has(op),
  fingerprint: value => value ?? '',
  effect: ({ op, args }) => (pureOperations.has(op) ? null : valueText([op, ...args])),
  prepare: operations => {
    const seen = new Map<string, number>()
    for (const operation of operations) {
      for (const text of mentions(operation)) seen.set(text, (seen.get(text) ?? 0) + 1)
    }
    return operations.map(operation => {
      const { op, args } = operation
      const text = valueText(args.at(-1))
      const isUnseen = writeOperations.has(op) && text !== null && seen.get(text) === 1
      return isUnseen ? { ...operation, args: [...args.slice(0, -1), unseenValue] } : operation
    })
  },
  partition: ({ key }) => `${key ?? ''}`,
}

const pureOperations: ReadonlySet<string> = new Set(['read', 'get', 'entry', 'staleEntry'])
const conditionalOperations: ReadonlySet<string> = new Set(['insert', 'cas', 'compareAndSwap', 'delete'])
const blindOperations: ReadonlySet<string> = new Set(['write', 'put', 'delete'])
/** Operations that write their last argument. */
const writeOperations: ReadonlySet<string> = new Set(['write', 'put', 'insert', 'cas', 'compareAndSwap'])

/** Stands for every value that one operation writes and no other names, nor any result. No value looks like it. */
const unseenValue = { unseen: '\u0000' }

/** All values that an operation names, in its arguments and its result. */
function mentions({ args, result }: Operation): string[] {
  const named = [...args, result, isRecord(result) ? result.value : undefined]
  return named.map(valueText).filter(text => text !== null)
}

/** What the operation does to the value, or undefined when its result contradicts the value. */
export function effectOf(value: ValueText, operation: Operation): Effect | undefined {
  const { op, args } = operation
  switch (op) {
    case 'read':
    case 'get':
      return whenAnswered(operation, result => valueText(result) === value, { value, wrote: false })
    case 'entry':
      return whenAnswered(
        operation,
        result => valueText(isRecord(result) ? result.value : result) === value,
        {
          value,
          wrote: false,
        },
      )
    case 'staleEntry':
      return { value, wrote: false }
    case 'write':
    case 'put':
      return { value: valueText(args[0]), wrote: true }
    case 'insert':
      return swap(value, operation, { expected: null, next: valueText(args[0]) })
    case 'cas':
    case 'compareAndSwap':
      return swap(value, operation, { expected: valueText(args[0]), next: valueText(args[1]) })
    case 'delete':
      return whenAnswered(operation, result => saysOk(result) === (value !== null), {
        value: null,
        wrote: value !== null,
      })
    default:
      throw new HistoryError(`the model knows no operation ${op}`)
  }
}

function swap(
  value: ValueText,
  operation: Operation,
  { expected, next }: { readonly expected: ValueText; readonly next: ValueText },
): Effect | undefined {
  const ok = value === expected
  const after = ok ? next : value
  // To replace nothing by nothing is no write.
  const effect = { value: after, wrote: ok && (value !== null || next !== null) }
  return whenAnswered(operation, result => saysOk(result) === ok && saysValue(result, after), effect)
}

function whenAnswered(
  { outcome, result }: Operation,
  isPossible: (result: unknown) => boolean,
  effect: Effect,
): Effect | undefined {
  return outcome === 'unknown' || isPossible(result) ? effect : undefined
}

/** Success is told by a boolean, by the field `ok` of an answer of the Store, or by an answer that says no more. */
function saysOk(result: unknown): unknown {
  return (isRecord(result) ? result.ok : result) ?? true
}

/** An answer may tell the value that stands after it. */
function saysValue(result: unknown, value: ValueText): boolean {
  if (!isRecord(result)) return true
  return result.value === undefined || valueText(result.value) === value
}

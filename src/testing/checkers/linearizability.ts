import type { Model, Stuck } from './model.ts'
import { HistoryError, type TimedOperation } from './operation.ts'
import { Search } from './search.ts'

export type Verdict<Op> =
  | { readonly type: 'linearizable'; readonly steps: number }
  | { readonly type: 'not-linearizable'; readonly steps: number; readonly stuck: Stuck<Op> }
  /** The budget was spent before there was an answer. */
  | { readonly type: 'undecided'; readonly steps: number }

/**
 * Two million steps take a few seconds. Histories of a thousand operations need some thousands, and those that need
 * more than this have so many operations under way at once that no budget would do.
 */
const defaultStepsMax = 2_000_000

/**
 * Tells whether a history is linearizable: whether its operations can be put in one order, each between its call and
 * its return, in which the model gives the results that were seen. Deterministic. The problem is NP-complete, so that
 * `stepsMax` bounds the steps of the model over all parts.
 *
 * @throws {HistoryError} when an operation was answered before it was called, or the model does not know it.
 */
export function checkLinearizable<State, Op extends TimedOperation>(
  model: Model<State, Op>,
  operations: readonly Op[],
  { stepsMax = defaultStepsMax }: { readonly stepsMax?: number } = {},
): Verdict<Op> {
  let steps = 0
  let isUndecided = false
  for (const [part, members] of partsOf(model, operations)) {
    const search = new Search(model, members, part)
    const found = search.run(stepsMax - steps)
    steps += search.steps
    if (found === 'undecided') isUndecided = true
    else if (found !== 'linearizable') return { type: 'not-linearizable', steps, stuck: found }
  }
  return { type: isUndecided ? 'undecided' : 'linearizable', steps }
}

function partsOf<State, Op extends TimedOperation>(
  model: Model<State, Op>,
  operations: readonly Op[],
): Map<string, Op[]> {
  const parts = new Map<string, Op[]>()
  for (const operation of operations) {
    const { outcome, call, return: end } = operation
    if (outcome === 'ok' && !(end !== null && end >= call)) {
      throw new HistoryError(`an operation was called at ${call} and answered at ${end}`)
    }
    // What took no effect can be left out of every order.
    if (outcome === 'fail') continue
    const part = model.partition?.(operation) ?? ''
    const members = parts.get(part)
    if (members === undefined) parts.set(part, [operation])
    else members.push(operation)
  }
  return parts
}

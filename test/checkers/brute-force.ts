import type { Model } from '../../src/testing/checkers/model.ts'
import type { TimedOperation } from '../../src/testing/checkers/operation.ts'

/**
 * Linearizability as it is defined, and nothing else: tries every order, with and without what is not due. With `until`
 * only what was answered up to then is due, and only what was called by then may come.
 */
export function isLinearizable<State, Op extends TimedOperation>(
  model: Model<State, Op>,
  operations: readonly Op[],
  until = Number.POSITIVE_INFINITY,
): boolean {
  const isDue = ({ outcome, return: end }: Op) => outcome === 'ok' && (end ?? 0) <= until
  const canOrder = (left: readonly Op[], state: State): boolean =>
    !left.some(isDue) ||
    left.some(operation => {
      const others = left.filter(other => other !== operation)
      // What returned before the call of this one comes before it.
      if (others.some(other => isDue(other) && (other.return ?? 0) < operation.call)) return false
      const after = model.step(state, operation)
      return after !== undefined && canOrder(others, after)
    })
  const possible = operations.filter(({ outcome, call }) => outcome !== 'fail' && call <= until)
  return canOrder(possible, model.initial)
}

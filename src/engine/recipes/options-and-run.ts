import type { HoldOptions } from './line.ts'

/** What was given as `(run)` or `(options, run)`. Throws TypeError on another order: options would go unheard. */
export function optionsAndRun<Run extends (held: never) => unknown>(
  given: HoldOptions | Run,
  then: Run | undefined,
): readonly [HoldOptions, Run | undefined] {
  if (then !== undefined && (typeof given === 'function' || typeof then !== 'function'))
    throw new TypeError('the function must be the last argument, after the options')
  return typeof given === 'function' ? [{}, given] : [given, then]
}

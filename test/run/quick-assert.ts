import strict from 'node:assert/strict'
import { register } from 'node:module'

// Where an assertion without a message fails, Node looks for its text by parsing the source file at the place that the
// compiled file names. In what tsx makes (one long line) that takes minutes: a test that fails seems to hang. With this
// file imported (`--import`), whoever imports node:assert/strict gets it with a message for that case; where it failed
// tells the stack.

type Check = (value: unknown, message?: string | Error) => void

const check: Check = (value, message = 'the condition does not hold') => {
  if (!value) throw message instanceof Error ? message : failure(value, message)
}

function failure(actual: unknown, message: string): Error {
  return new strict.AssertionError({ actual, expected: true, operator: '==', message, stackStartFn: check })
}

export default Object.assign(check, strict, { ok: check, strict: check })

const hook = `export const resolve = (name, context, next) =>
  name === 'node:assert/strict' && context.parentURL !== '${import.meta.url}'
    ? { url: '${import.meta.url}', format: 'module', shortCircuit: true }
    : next(name, context)`

register(`data:text/javascript,${encodeURIComponent(hook)}`)

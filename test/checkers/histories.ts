import type { Operation } from '../../src/testing/checkers/operation.ts'

/**
 * A history in a picture: a line per client, a column per moment. `|put 1--|` is a call and its return, with the
 * arguments behind the name and the result behind `=`; `?` in place of the last bar: nobody knows the outcome, and
 * `!`: it failed for certain. Words are split by spaces and are JSON. A key stands before a colon: `|x:get =1--|`.
 */
export function historyOf(...pictures: readonly string[]): Operation[] {
  return pictures.flatMap((picture, client) =>
    Array.from(picture.matchAll(/\|([^|?!]+)([|?!])/g), match => operationOf(match, client)),
  )
}

const outcomes = { '|': 'ok', '?': 'unknown', '!': 'fail' } as const

function operationOf(match: RegExpExecArray, client: number): Operation {
  const [whole, text = '', end = '|'] = match
  const [call = '', result] = text.replace(/-+$/, '').trim().split(/\s*=/)
  const [name = '', ...args] = call.trim().split(/\s+/)
  const [key, op = ''] = name.includes(':') ? name.split(':') : [undefined, name]
  return {
    client,
    op,
    ...(key === undefined ? {} : { key }),
    args: args.map(word => JSON.parse(word) as unknown),
    call: match.index,
    return: end === '?' ? null : match.index + whole.length - 1,
    outcome: outcomes[end as keyof typeof outcomes],
    ...(result === undefined ? {} : { result: JSON.parse(result) as unknown }),
  }
}

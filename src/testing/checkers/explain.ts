import type { Stuck } from './model.ts'
import type { Operation } from './operation.ts'

/** The end of an order is what a person looks at: what led to the state that contradicts the answer. */
const orderShownMax = 6

/** A few lines for a person: where the history stops being explicable, and what there was to choose from. */
export function explainStuck({
  part,
  operation,
  explained,
  order,
  pending,
  states,
}: Stuck<Operation>): string {
  const where = part === '' ? '' : `key ${JSON.stringify(part)}: `
  const shown = order.slice(-orderShownMax)
  const skipped = order.length - shown.length
  return [
    `  ${where}after ${explained} answers that can be explained, this one cannot:`,
    `    ${describe(operation)}`,
    `  states it may meet: ${states.map(state => (state === '' ? 'absent' : state)).join(', ')}`,
    `  reached, for one, by ${skipped > 0 ? `${skipped} operations and then` : ''}`.trimEnd(),
    ...shown.map(other => `    ${describe(other)}`),
    '  under way, and of no help:',
    ...pending.map(other => `    ${describe(other)}`),
  ].join('\n')
}

function describe({ client, op, args, call, return: end, outcome, result }: Operation): string {
  const answer = outcome === 'ok' ? JSON.stringify(result ?? null) : 'unknown'
  const until = outcome === 'ok' ? `${call} to ${end}` : `from ${call} on`
  return `client ${client}: ${op}(${args.map(value => JSON.stringify(value)).join(', ')}) = ${answer}, ${until}`
}

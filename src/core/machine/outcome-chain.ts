import { crc32c } from '../../base/checksum.ts'
import type { Index } from '../types.ts'
import type { Result } from './command.ts'
import type { Change } from './item.ts'
import { addNumber, addText, finish } from './mix.ts'
import { hashResult } from './state-hash.ts'

/**
 * The hash of all outcomes so far, with that of one more entry. Replicas that applied the same log have the same chain
 * at each index; where the outcomes differ once, the chains differ from there on. The outcome of what this program
 * itself does follows from the log and shows in revisions and verdicts; what a registered command wrote is looked at
 * byte for byte, because only there can a replica do as it likes.
 */
export function chained(
  chain: number,
  index: Index,
  outcome: { readonly result: Result; readonly changes: readonly Change[] },
): number {
  const { result, changes } = outcome
  let hash = addNumber(chain, index)
  const isCall = result.type === 'called' || result.type === 'failed'
  if (isCall) hash = addNumber(hash, hashResult(0, result))
  if ('ok' in result) hash = addNumber(hash, Number(result.ok))
  for (const { item, key } of changes) {
    hash = addNumber(hash, item === null ? 0 : item.createRevision)
    hash = addNumber(hash, item === null ? 0 : item.version)
    if (!isCall) continue
    hash = addText(hash, key)
    hash = addNumber(hash, item === null ? 0 : crc32c(item.value))
    hash = addNumber(hash, item === null ? 0 : item.lease)
  }
  return finish(hash)
}

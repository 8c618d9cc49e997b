import { describe, test } from 'node:test'
import { corpus } from './corpus.ts'
import { keepsEveryPromise } from './promises.ts'

describe('a seed that once failed', () => {
  for (const { seed, found } of corpus)
    test(`${seed} passes, which found: ${found}`, () => keepsEveryPromise(seed))
})

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import type { Store } from '../../src/engine/store/store.ts'
import { QuorateLevel, type QuorateLevelOptions } from '../../src/level/index.ts'
import { TestCluster } from '../engine/cluster.ts'

// Neither package has types of what is used of it here.
const require = createRequire(import.meta.url)
const tape: { createHarness(): Harness } = require('tape')
const suite: (options: { readonly test: Harness; readonly factory: Factory }) => void =
  require('abstract-level/test')

interface Harness {
  createStream(options: { readonly objectMode: true }): Rows
}

interface Rows {
  on(name: 'data', listener: (row: Row) => void): void
  on(name: 'end', listener: () => void): void
}

type Factory = (options?: QuorateLevelOptions) => QuorateLevel

/** What tape says of its tests, as far as it is read here. An assertion names its test by number. */
type Row =
  | { readonly type: 'test'; readonly id: number; readonly name: string; readonly skip?: boolean }
  | { readonly type: 'assert'; readonly test: number; readonly ok: boolean; readonly skip?: boolean }
  | { readonly type: 'end' }

interface Outcome {
  readonly name: string
  readonly failures: Row[]
  assertions: number
}

/**
 * Runs the suite that abstract-level publishes, the whole of it, over a store; each of its tests becomes one of ours.
 * Every database that it makes is a table of its own.
 */
export async function publishedSuite(
  options: Pick<QuorateLevelOptions, 'consistency'>,
  open: (cluster: TestCluster) => Promise<Store>,
): Promise<void> {
  const cluster = new TestCluster()
  const store = await open(cluster)
  const harness = tape.createHarness()
  const rows = harness.createStream({ objectMode: true })
  let tables = 0
  suite({
    test: harness,
    factory: given => {
      tables += 1
      return new QuorateLevel(store, { ...given, ...options, table: `database-${tables}` })
    },
  })
  const outcomes = await letTimePass(cluster, outcomesOf(rows))
  let assertions = 0
  for (const { name, failures, assertions: made } of outcomes) {
    assertions += made
    test(name, () => assert.deepEqual(failures, []))
  }
  // What a manifest does not claim is left out without a word. Of what it may claim, this one lacks `getSync` alone.
  test('it made all the assertions that there are', () => assert.equal(assertions, 4700))
}

function outcomesOf(rows: Rows): Promise<Outcome[]> {
  const outcomes = new Map<number, Outcome>()
  rows.on('data', row => {
    if (row.type === 'test') {
      const failures = row.skip ? [row] : []
      outcomes.set(row.id, { name: row.name, failures, assertions: 0 })
    }
    const outcome = row.type === 'assert' ? outcomes.get(row.test) : undefined
    if (row.type !== 'assert' || outcome === undefined) return
    outcome.assertions += 1
    if (!row.ok || row.skip) outcome.failures.push(row)
  })
  return new Promise(resolve => rows.on('end', () => resolve([...outcomes.values()])))
}

/** The suite waits by real timers, the cluster by virtual ones: some of it passes in each turn of the loop. */
async function letTimePass<Value>(cluster: TestCluster, promise: Promise<Value>): Promise<Value> {
  let isSettled = false
  const done = () => {
    isSettled = true
  }
  promise.then(done, done)
  while (!isSettled) {
    await cluster.run(5)
    await new Promise(resolve => setImmediate(resolve))
  }
  return promise
}

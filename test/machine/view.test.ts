import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ScanOptions, View } from '../../src/core/machine/view.ts'
import { Log, put } from './log.ts'

const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\u{1F600}', '\uffff'), maxLength: 3 })
const maybe = fc.option(text, { nil: undefined })
const options: fc.Arbitrary<ScanOptions> = fc.record({
  prefix: maybe,
  gt: maybe,
  gte: maybe,
  lt: maybe,
  lte: maybe,
  reverse: fc.boolean(),
  limit: fc.option(fc.nat(5), { nil: undefined }),
})

test('a scan yields the items that meet all bounds, in order, up to the limit', () => {
  const keys = fc.uniqueArray(
    text.filter(key => key !== ''),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(keys, options, (keys, options) => {
      const expected = keys.filter(key => meets(key, options)).sort()
      if (options.reverse === true) expected.reverse()
      assert.deepEqual(scan(viewOf(keys), options), expected.slice(0, options.limit))
    }),
    { numRuns: 500 },
  )
})

test('a count is as large as the scan is long, through all levels of the tree', () => {
  const names = Array.from({ length: 3000 }, (_, number) => `${(number * 7919) % 3000}`.padStart(4, '0'))
  const view = viewOf(names)
  const digits = fc.string({ unit: fc.constantFrom('0', '1', '2', '9'), maxLength: 5 })
  const bound = fc.option(digits, { nil: undefined })
  const range = fc.record({ prefix: bound, gt: bound, gte: bound, lt: bound, lte: bound })
  fc.assert(
    fc.property(range, range => {
      assert.equal(view.count(range), scan(view, range).length)
    }),
    { numRuns: 500 },
  )
  assert.equal(view.count({}), 3000)
  assert.equal(new Log().machine.view().count({ gte: 'a' }), 0)
})

test('a prefix ends where its last code unit cannot grow', () => {
  const keys = ['a', 'a\uffff', 'a\uffff\uffff', 'a\uffffb', 'b', '\uffff', '\uffff\uffff']
  assert.deepEqual(scan(viewOf(keys), { prefix: 'a\uffff' }), ['a\uffff', 'a\uffffb', 'a\uffff\uffff'])
  assert.deepEqual(scan(viewOf(keys), { prefix: '\uffff', reverse: true }), ['\uffff\uffff', '\uffff'])
})

function viewOf(keys: readonly string[]): View {
  const log = new Log()
  for (const key of keys) log.apply(put(key, '1'))
  return log.machine.view()
}

function scan(view: View, options: ScanOptions): readonly string[] {
  return [...view.scan(options)].map(item => item.key)
}

function meets(key: string, { prefix, gt, gte, lt, lte }: ScanOptions): boolean {
  if (prefix !== undefined && !key.startsWith(prefix)) return false
  if (gt !== undefined && key <= gt) return false
  if (gte !== undefined && key < gte) return false
  if (lt !== undefined && key >= lt) return false
  return lte === undefined || key <= lte
}

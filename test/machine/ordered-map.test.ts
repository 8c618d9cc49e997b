import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OrderedMap, type OrderedRange } from '../../src/base/ordered-map.ts'

const key = fc.string({ unit: fc.constantFrom('a', 'b', '\u{1F600}', '\uffff', 'é'), maxLength: 3 })
const bound = fc.option(key, { nil: undefined })
const range: fc.Arbitrary<OrderedRange<string>> = fc.oneof(
  fc.record({ gte: bound, lte: bound, reverse: fc.boolean() }),
  fc.record({ gte: bound, lt: bound, reverse: fc.boolean() }),
  fc.record({ gt: bound, lte: bound, reverse: fc.boolean() }),
  fc.record({ gt: bound, lt: bound, reverse: fc.boolean() }),
)

test('a range yields what a sorted array filtered by the bounds holds', () => {
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 100 }), range, (keys, range) => {
      const map = mapOf(keys)
      const expected = keys.filter(key => isWithin(range, key)).sort()
      if (range.reverse === true) expected.reverse()
      assert.deepEqual(
        [...map.entries(range)].map(([key]) => key),
        expected,
      )
      assert.deepEqual([...map.values(range)], expected)
      assert.equal(map.countIn(range), expected.length)
    }),
  )
})

test('strings are ordered by code unit, not by code point and not by locale', () => {
  assert.deepEqual(
    [...mapOf(['\uffff', 'Z', 'a', '\u{1F600}', 'é']).values()],
    ['Z', 'a', 'é', '\u{1F600}', '\uffff'],
  )
})

test('a clone and its original never see what is done to the other', () => {
  const read = fc.constantFrom('same', 'other', 'none')
  const step = fc.record({ turn: fc.nat(2), key: fc.nat(3000), remove: fc.boolean(), read })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3000, size: 'max' }), steps => {
      let maps = [new OrderedMap<number, number>()]
      let models = [new Map<number, number>()]
      steps.forEach(({ turn, key, remove, read }, now) => {
        const at = turn % maps.length
        const map = maps[at] as OrderedMap<number, number>
        const model = models[at] as Map<number, number>
        const asked = read === 'same' ? key : key % 50
        if (read !== 'none') assert.equal(map.get(asked), model.get(asked))
        if (key < 30) {
          maps = [...maps, map.clone()].slice(-3)
          models = [...models, new Map(model)].slice(-3)
        } else if (remove) assert.equal(map.delete(key), model.delete(key))
        else {
          map.set(key, now)
          model.set(key, now)
        }
      })
      maps.forEach((map, at) => {
        const expected = [...(models[at] ?? [])].sort(([left], [right]) => left - right)
        assert.deepEqual([...map.entries()], expected)
        assert.deepEqual(
          [...map.batches()].flat(),
          expected.map(([, value]) => value),
        )
        assert.equal(map.size, expected.length)
      })
    }),
    { numRuns: 30 },
  )
})

function mapOf(keys: readonly string[]): OrderedMap<string, string> {
  const map = new OrderedMap<string, string>()
  for (const key of keys) map.set(key, key)
  return map
}

function isWithin({ gt, gte, lt, lte }: OrderedRange<string>, key: string): boolean {
  if (gt !== undefined && key <= gt) return false
  if (gte !== undefined && key < gte) return false
  if (lt !== undefined && key >= lt) return false
  return lte === undefined || key <= lte
}

test('a count looks at the nodes on its way to the two ends of its range, however much lies before it', () => {
  const map = new OrderedMap<number, number>()
  const size = 10_000
  for (let key = 0; key < size; key++) map.set(key, key)
  const { height, looks } = watched(Reflect.get(map, 'root'))
  for (const from of [10, size / 2, size - 10]) {
    const before = looks()
    assert.equal(map.countIn({ gte: from, lt: from + 2 }), 2)
    assert.ok(looks() - before <= 2 * height, `two keys from ${from}: ${looks() - before} nodes`)
  }
})

interface Node {
  readonly children: readonly Node[] | undefined
}

/** How often a node of the tree is asked for its children, from now on. */
function watched(root: Node): { readonly height: number; looks(): number } {
  let count = 0
  const watch = (node: Node): number => {
    const { children } = node
    const get = () => {
      count += 1
      return children
    }
    Object.defineProperty(node, 'children', { get })
    return 1 + Math.max(0, ...(children ?? []).map(watch))
  }
  return { height: watch(root), looks: () => count }
}

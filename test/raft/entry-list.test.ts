import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { EntryList } from '../../src/core/raft/entry-list.ts'
import { sliceWithin } from '../../src/core/raft/entry-size.ts'
import type { ConfChange, Entry } from '../../src/core/raft/types.ts'

const change: ConfChange = { transition: 'auto', steps: [], context: new Uint8Array([7]) }

/** An entry that tells by its data which one it is. Few are of another kind, or large. */
function entryAt(index: number, term: number, random: () => number): Entry {
  if (random() < 0.001) return { term, index, type: 'conf-change', data: new Uint8Array(), change }
  const data = new Uint8Array(random() < 0.0005 ? 300_000 : Math.floor(random() * 20)).fill(index)
  return { term, index, type: random() < 0.001 ? 'stripped' : 'normal', data, change: null }
}

test('a list of entries is like an array of them, however it is cut at both ends', () => {
  const random = seededRandom(11)
  for (let round = 0; round < 20; round++) {
    let first = 1 + Math.floor(random() * 1000)
    let term = 1
    const list = new EntryList(first)
    let model: Entry[] = []
    for (let step = 0; step < 60; step++) {
      const what = random()
      if (what < 0.1) {
        const from = first + Math.floor(random() * (model.length + 1))
        list.dropFrom(from)
        model.length = from - first
        term += 1
      } else if (what < 0.2) {
        const to = first + Math.floor(random() * (model.length + 1))
        list.dropBefore(to)
        model = model.slice(to - first)
        first = to
      } else {
        for (let left = Math.floor(random() * 400); left > 0; left--) {
          const entry = entryAt(first + model.length, term, random)
          list.push(entry)
          model.push(entry)
        }
      }
      compare(list, model, first, random)
    }
    assert.deepEqual(list.slice(first, list.end, Number.POSITIVE_INFINITY), model)
  }
})

function compare(list: EntryList, model: readonly Entry[], first: number, random: () => number): void {
  assert.deepEqual([list.first, list.end], [first, first + model.length])
  assert.deepEqual([list.term(first - 1), list.term(list.end)], [undefined, undefined])
  for (let look = 0; look < 5 && model.length > 0; look++) {
    const from = Math.floor(random() * model.length)
    const end = Math.min(model.length, from + 1 + Math.floor(random() * 600))
    const bytesMax = Math.floor(random() * 10_000)
    assert.equal(list.term(first + from), model[from]?.term)
    assert.equal(list.dataBytes(first + from), model[from]?.data.length)
    assert.deepEqual(list.slice(first + from, first + end, bytesMax), sliceWithin(model, from, end, bytesMax))
  }
}

test('entries that were packed do not keep the memory that they came in', () => {
  const buffer = new Uint8Array(1 << 20)
  const list = new EntryList(1)
  for (let index = 1; index <= 2000; index++)
    list.push({ term: 1, index, type: 'normal', data: buffer.subarray(index, index + 10), change: null })
  const [entry] = list.slice(1, 2, 100)
  assert.notEqual(entry?.data.buffer, buffer.buffer)
})

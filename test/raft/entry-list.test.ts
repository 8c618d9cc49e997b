import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { EntryList, packed } from '../../src/core/raft/entry-list.ts'
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
        // Batches of all sizes: many of single entries, as a quiet group has them.
        const most = random() < 0.5 ? 1 : 60
        for (let left = Math.floor(random() * 400); left > 0; ) {
          const size = Math.min(left, 1 + Math.floor(random() * most))
          const next = first + model.length
          const batch = Array.from({ length: size }, (_, i) => entryAt(next + i, term, random))
          list.append(packed(batch))
          model.push(...batch)
          left -= size
        }
      }
      compare(list, model, first, random)
    }
    assert.deepEqual([...list.slice(first, list.end, Number.POSITIVE_INFINITY)], model)
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
    assert.equal(list.slice(first + from, first + from + 1, 0).bytes, model[from]?.data.length)
    const found = [...list.slice(first + from, first + end, bytesMax)]
    assert.deepEqual(found, sliceWithin(model, from, end, bytesMax))
  }
}

/** As many as take no more than the limit, with eight bytes for each, but at least one. */
function sliceWithin(
  entries: readonly Entry[],
  from: number,
  end: number,
  bytesMax: number,
): readonly Entry[] {
  let bytes = 0
  let cut = from
  for (; cut < end; cut++) {
    const { data, change } = entries[cut] as Entry
    bytes += 8 + data.length + (change?.context.length ?? 0)
    if (bytes > bytesMax && cut > from) break
  }
  return entries.slice(from, cut)
}

test('entries that were packed do not keep the memory that they came in, and do not change with it', () => {
  const buffer = new Uint8Array(1 << 20)
  const data = buffer.subarray(5, 15)
  const [entry] = packed([{ term: 1, index: 1, type: 'normal', data, change: null }])
  buffer.fill(1)
  assert.notEqual(entry?.data.buffer, buffer.buffer)
  assert.deepEqual(entry?.data, new Uint8Array(10))
})

test('a million single entries are kept in runs of hundreds, and a part of a list outlives it', () => {
  const list = new EntryList(1)
  const single = (index: number): Entry => {
    return { term: 1, index, type: 'normal', data: new Uint8Array([index % 100]), change: null }
  }
  for (let index = 1; index <= 10_000; index++) list.append(packed([single(index)]))
  const part = list.slice(100, 9001, Number.POSITIVE_INFINITY)
  assert(part.runs.length < 100, `${part.runs.length} runs`)
  list.dropFrom(200)
  list.dropBefore(200)
  list.append(packed([{ ...single(200), term: 2 }]))
  const terms = new Set([...part].map(({ term }) => term))
  assert.deepEqual([part.length, part.first, part.end, [...terms]], [8901, 100, 9001, [1]])
  assert.equal(list.term(200), 2)
})

test('large entries stay as they came: to join them would copy megabytes at once', () => {
  const list = new EntryList(1)
  const data = new Uint8Array(20_000)
  const came = Array.from({ length: 300 }, (_, at) =>
    packed([{ term: 1, index: at + 1, type: 'normal', data, change: null }]),
  )
  for (const entries of came) list.append(entries)
  assert.deepEqual(
    list.runs.map(run => run.bytes.buffer),
    came.map(({ runs }) => runs[0]?.bytes.buffer),
  )
  assert.equal(list.dataBytes(256), 20_000)
})

// Browsers pack without msgpackr (ownPacker in build.mjs). Here the codec of the browser build and the one of the
// sources meet the same values and the same bytes.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fc from 'fast-check'
import * as ours from '../../src/wire/codec.ts'

interface BuildModule {
  buildBrowser(outdir: string, options: object): Promise<unknown>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'quorate-codec-'))
after(() => rm(folder, { recursive: true, force: true }))

const { buildBrowser } = (await import(join(root, 'build.mjs'))) as BuildModule
const names = 'decode, encode, encodeOnce, MalformedError'
await buildBrowser(folder, {
  entryPoints: [],
  stdin: { contents: `export { ${names} } from './src/wire/codec.ts'`, resolveDir: root },
  entryNames: 'codec',
  sourcemap: false,
})
const theirs = (await import(pathToFileURL(join(folder, 'codec.js')).href)) as typeof ours

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withTypedArray: true,
  withSparseArray: true,
})
const lengths = [0, 1, 15, 16, 31, 32, 63, 64, 255, 256, 65_535, 65_536, 100_000]
const large = fc
  .constantFrom(...lengths)
  .chain(length =>
    fc.constantFrom<unknown>(
      'a'.repeat(length),
      'é'.repeat(length),
      '\u{1F600}'.repeat(length),
      new Uint8Array(length),
      new Array(length).fill(length),
      Object.fromEntries(Array.from({ length }, (_, i) => [`key${i}`, i])),
    ),
  )
const value = fc.oneof(
  { weight: 9, arbitrary: fc.string({ unit: 'binary', maxLength: 100 }) },
  { weight: 9, arbitrary: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double()) },
  { weight: 50, arbitrary: anything },
  { weight: 50, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: large },
)

test('browsers write the same bytes as Node, and refuse the same values with the same words', () => {
  fc.assert(
    fc.property(value, original => {
      const expected = outcome(() => ours.encode(original))
      assert.deepEqual(
        outcome(() => theirs.encode(original)),
        expected,
      )
      assert.deepEqual(
        outcome(() => new Uint8Array(theirs.encodeOnce([original]))),
        outcome(() => ours.encode([original])),
      )
    }),
    { numRuns: 3000 },
  )
})

test('browsers read the same values as Node, and refuse the same bytes with the same words', () => {
  const encodable = fc.jsonValue().filter(value => outcome(() => ours.encode(value)) instanceof Uint8Array)
  const mutated = fc
    .tuple(encodable, fc.nat(), fc.integer({ min: 0, max: 255 }))
    .map(([original, at, byte]) => {
      const bytes = ours.encode(original)
      bytes[at % bytes.length] = byte
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), bytes => {
      assert.deepEqual(
        outcome(() => theirs.decode(bytes)),
        outcome(() => ours.decode(bytes)),
      )
    }),
    { numRuns: 5000 },
  )
})

test('a value whose getter encodes another one is written as by Node', () => {
  const nested = (codec: typeof ours): object => ({
    before: 'x'.repeat(100),
    get inner() {
      return codec.encode({ a: [1, 2, 3], text: 'y'.repeat(10_000) })
    },
    after: [1.5, null],
  })
  assert.deepEqual(theirs.encode(nested(theirs)), ours.encode(nested(ours)))
})

/** The result, or the kind of the error and its message. */
function outcome(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    assert.ok(error instanceof Error)
    const kind = error instanceof TypeError ? 'TypeError' : error.name
    return `${kind}: ${error.message}`
  }
}

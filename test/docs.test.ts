// What the documents say is true: the samples of the README compile and run. How they are marked: docs/samples.ts.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findSamples, SampleFolder } from './docs/samples.ts'

const readme = await readFile(fileURLToPath(new URL('../README.md', import.meta.url)), 'utf8')
const folder = await SampleFolder.create()
after(() => folder.remove())

describe('the README', () => {
  const samples = findSamples(readme)

  test('has at most 150 lines', () => {
    assert.ok(readme.trimEnd().split('\n').length <= 150)
  })

  test('has samples, and they compile', async () => {
    assert.ok(samples.length > 0)
    assert.equal(await folder.compile(samples), '')
  })

  for (const sample of samples.filter(({ runs }) => runs)) {
    test(`has a sample at line ${sample.line} that runs`, async () => {
      assert.equal(await folder.run(sample), '')
    })
  }
})

describe('samples', () => {
  const fixture = [
    '# A document',
    '<!-- sample: const render = (text: string): number => text.length -->',
    '```ts',
    "if (render('four') !== 4) throw new Error('not four')",
    '```',
    '```sh',
    'npm start',
    '```',
    '```ts page',
    'document.title = "a page"',
    '```',
    '```ts',
    'setInterval(() => {}, 1000)',
    '```',
    '```ts',
    'const text: number = "text"',
    'throw new Error(text)',
    '```',
  ].join('\n')
  const [first, page, open, broken] = findSamples(fixture)
  assert.ok(first !== undefined && page !== undefined && open !== undefined && broken !== undefined)

  test('are the blocks of TypeScript, with the line they stand at', () => {
    assert.deepEqual(
      findSamples(fixture).map(({ line, runs }) => [line, runs]),
      [
        [3, true],
        [9, false],
        [12, true],
        [15, true],
      ],
    )
  })

  test('run with what stands unseen before them, and need not close what they open', async () => {
    assert.equal(await folder.run(first), '')
    assert.equal(await folder.run(open), '')
  })

  test('that do not compile, or throw, are told with the line', async () => {
    const own = await SampleFolder.create()
    try {
      assert.equal(await own.compile([first, page, open]), '')
      assert.match(await own.compile([broken]), /line-15\.ts\(2,7\): error TS2322/)
      assert.match(await own.run(broken), /exit code 1[\s\S]*Error: text/)
    } finally {
      await own.remove()
    }
  })
})

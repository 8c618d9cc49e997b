// What the documents say is true: the samples of README and guide compile, run and print what they say. How they are
// marked: docs/samples.ts.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, describe, test } from 'node:test'
import { findSamples, SampleFolder } from './docs/samples.ts'

const root = new URL('..', import.meta.url)

for (const name of ['README.md', 'GUIDE.md']) {
  const text = await readFile(new URL(name, root), 'utf8')

  describe(name, () => {
    const samples = findSamples(text)
    let failures: ReadonlyMap<number, string> = new Map()
    let faults = ''

    before(async () => {
      const folder = await SampleFolder.create()
      faults = await folder.compile(samples)
      failures = await folder.run(samples.filter(({ file }) => file === undefined))
      await folder.remove()
    })

    test('has samples, and they compile', () => {
      assert.ok(samples.length > 0)
      assert.equal(faults, '')
    })

    for (const { line, file } of samples) {
      if (file === undefined)
        test(`has a sample at line ${line} that runs`, () => assert.equal(failures.get(line), ''))
    }

    test('has no block in TypeScript that is not a sample', () => {
      assert.equal(samples.length, text.match(/^ *(```|~~~) *(ts|js|typescript|javascript)\b/gm)?.length)
    })

    test('links to headings and files that are there', async () => {
      for (const [, file = '', heading] of text.matchAll(/\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)/g)) {
        const target = file === '' ? text : await readFile(new URL(file, root), 'utf8')
        const headings = Array.from(target.matchAll(/^#+ (.*)$/gm), ([, title = '']) =>
          title
            .toLowerCase()
            .replace(/[^\w -]/g, '')
            .replaceAll(' ', '-'),
        )
        if (heading !== undefined) assert.ok(headings.includes(heading), `${file}#${heading}`)
      }
    })
  })
}

test('the README has at most 150 lines', async () => {
  const text = await readFile(new URL('README.md', root), 'utf8')
  assert.ok(text.trimEnd().split('\n').length <= 150)
})

test('the guide has every error code', async () => {
  const guide = await readFile(new URL('GUIDE.md', root), 'utf8')
  const source = await readFile(new URL('src/core/error.ts', root), 'utf8')
  const codes = Array.from(source.matchAll(/^ {2}\| '(\w+)' \/\//gm), ([, code]) => code)
  assert.ok(codes.length > 30)
  const told = Array.from(guide.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) +\|/gm), ([, row = '']) => row)
  assert.deepEqual(told.flatMap(row => row.match(/[A-Z_]+/g) ?? []).sort(), codes.sort())
})

describe('samples', () => {
  const fixture = [
    '# A document',
    '<!-- samples: const zero = 0 -->',
    '```ts',
    "import { one } from './numbers.ts'",
    'console.log(one + zero) // 1',
    '```',
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
    '```ts numbers.ts',
    'export const one = 1',
    '```',
    '```ts',
    'setInterval(() => {}, 1000)',
    '```',
    '```ts',
    'const text: number = "text"',
    'throw new Error("text")',
    '```',
    '```ts',
    'console.log(1 + zero) // 1',
    'console.log(1 + 1) // 3',
    '```',
    '```ts',
    'setTimeout(() => { throw new Error("later") }, 1)',
    'await new Promise(() => setInterval(() => {}, 1000))',
    '```',
  ].join('\n')
  const samples = findSamples(fixture)

  test('are the blocks of TypeScript, with the line they stand at', () => {
    assert.deepEqual(
      samples.map(({ line, file }) => [line, file]),
      [
        [3, undefined],
        [8, undefined],
        [17, 'numbers.ts'],
        [20, undefined],
        [23, undefined],
        [27, undefined],
        [31, undefined],
      ],
    )
  })

  test('that do not compile, throw, or print something else are told with the line', async () => {
    const folder = await SampleFolder.create()
    try {
      assert.match(await folder.compile(samples), /^line-23\.ts\(2,7\): error TS2322/)
      const failures = await folder.run(samples.filter(({ file }) => file === undefined))
      assert.deepEqual(
        [3, 8, 20].map(line => failures.get(line)),
        ['', '', ''],
        'these are fine, with what stands unseen before them, and need not close what they open',
      )
      assert.match(failures.get(23) ?? '', /^Error: text/)
      assert.match(failures.get(27) ?? '', /^it was to print: 3\nit printed:\n1\n2/)
      assert.match(failures.get(31) ?? '', /^Error: later/)
    } finally {
      await folder.remove()
    }
  })
})

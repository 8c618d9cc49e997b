import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runProcess } from '../run/run-process.ts'
import { catalogue } from './catalogue.ts'
import { mutate, type Section } from './mutant.ts'
import { runMutants, unknownOf } from './run-mutants.ts'
import { readSource } from './workshop.ts'

describe('the mutants', () => {
  for (const { name, mutants } of catalogue) {
    test(`of section ${name} still apply to the sources`, () => {
      for (const mutant of mutants) {
        for (const [file, text] of mutate(mutant, readSource))
          assert.notEqual(text, readSource(file), mutant.id)
      }
    })
  }

  test('have each a name of its own', () => {
    const ids = catalogue.flatMap(({ mutants }) => mutants.map(({ id }) => id))
    assert.deepEqual(
      ids.filter((id, at, all) => all.indexOf(id) !== at),
      [],
    )
  })

  test('are all of the published list that tell of consensus, of leases and of watches', () => {
    const listed = [
      [1, 3, 4, 5, 7, 8, 10, 11, 12, 14, 15, 17, 18, 19, 21, 22, 24, 25, 27, 28],
      [30, 31, 32, 33, 34, 36, 37, 39, 41, 43, 44, 45, 48, 49, 50, 52, 53, 54, 56, 58, 59],
      [60, 61, 63, 64, 66, 67, 69, 70, 71, 72, 73, 74, 77, 80, 81, 83, 84, 85, 151],
      [87, 88, 90, 92, 93, 94, 96, 97, 99, 100, 101, 102, 104, 106, 107, 109, 110],
      [125, 127, 128, 129, 131, 132],
      [133, 135, 137, 138, 139, 140, 142],
      [144, 145, 146, 147, 149, 150],
    ].flat()
    const ids = listed.map(number => `M${String(number).padStart(2, '0')}`)
    assert.deepEqual(unknownOf(ids, catalogue), [])
  })

  test('that were written for other sources are refused', () => {
    const edits = [{ file: 'src/core/quorum.ts', find: 'no such line', replace: '' }]
    assert.throws(() => mutate({ id: 'M00', title: '', edits }, readSource), /M00 no longer applies/)
  })
})

describe('a run of mutants', () => {
  const wanted = ['M03', 'M05', 'M07', 'M11']

  async function run(sections: readonly Section[]): Promise<string[]> {
    const lines: string[] = []
    const scope = 'tests'
    const tally = await runMutants({ sections, wanted, scope, workers: 1, print: line => lines.push(line) })
    return [...lines, JSON.stringify(tally)]
  }

  test('names what killed each of them', async () => {
    const lines = await run(catalogue)
    const tally = lines.pop()
    for (const line of lines) assert.match(line, /^M\d+b? killed by P \(test\/raft\/\S+\.test\.ts: .+\)$/)
    assert.equal(tally, '{"killed":5,"survived":0,"flagged":0}')
  })

  test('does not believe a test that fails without any mutant, too', async () => {
    const edits = [
      { file: 'src/core/quorum.ts', find: 'return Math.floor(voters / 2) + 1', replace: 'return 1' },
    ]
    const tests = ['test/raft/of-no-such-name.test.ts', 'test/raft/quorum.test.ts']
    const lines = await run([{ name: 'one', tests, mutants: [{ id: 'M03', title: '', edits }] }])
    assert.match(
      lines[0] ?? '',
      /^without any mutant, too: test\/raft\/of-no-such-name\.test\.ts: exit code 1/,
    )
    assert.match(lines[1] ?? '', /^M03 killed by P \(test\/raft\/quorum\.test\.ts: /)
  })

  test('is refused with exit code 2 where a flag cannot be understood', async () => {
    const main = fileURLToPath(new URL('./main.ts', import.meta.url))
    const runs = ['--only=M999', '--workers=none', '--sim-only --tests-only', '--unheard-of'].map(flags => {
      const words = ['--import', 'tsx', main, ...flags.split(' ')]
      return runProcess({ command: process.execPath, arguments: words, timeoutMs: 120_000 })
    })
    for (const { ending, output } of await Promise.all(runs)) {
      assert.equal(ending, 'exit code 2')
      assert.match(output, /^mutants: .+\n$/)
    }
  })

  test('tells who survived, and does not flag what is safe', async () => {
    const find = '/** The smallest number of voters that is more than half of them. */'
    const edits = [{ file: 'src/core/quorum.ts', find, replace: '' }]
    const harmless = { id: 'M03', title: 'nothing', edits }
    const tests = ['test/raft/quorum.test.ts']
    assert.deepEqual(
      await run([
        { name: 'one', tests, mutants: [harmless] },
        { name: 'other', tests, mutants: [{ ...harmless, id: 'M07' }], areSafe: true },
      ]),
      ['M03 SURVIVED: nothing', 'M07 not flagged', '{"killed":0,"survived":1,"flagged":0}'],
    )
  })
})

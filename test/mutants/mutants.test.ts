import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { catalogue } from './catalogue.ts'
import { mutate, type Section } from './mutant.ts'
import { runMutants } from './run-mutants.ts'
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
    const ids = catalogue.flatMap(({ mutants, inapplicable = [] }) => [...mutants, ...inapplicable])
    assert.deepEqual(
      ids.map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at),
      [],
    )
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

  test('tells who survived, and does not flag what is safe', async () => {
    const find = '/** The smallest number of voters that is more than half of them. */'
    const edits = [{ file: 'src/core/quorum.ts', find, replace: '' }]
    const harmless = { id: 'M03', title: 'nothing', edits }
    const tests = ['test/raft/quorum.test.ts']
    const reason = 'there is none'
    assert.deepEqual(
      await run([
        { name: 'one', tests, mutants: [harmless], inapplicable: [{ id: 'M05', title: '', reason }] },
        { name: 'other', tests, mutants: [{ ...harmless, id: 'M07' }], areSafe: true },
      ]),
      [
        'M03 SURVIVED: nothing',
        'M07 not flagged',
        'M05 does not apply: there is none',
        '{"killed":0,"survived":1,"flagged":0}',
      ],
    )
  })
})

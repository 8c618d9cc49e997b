import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { formatHistory, parseHistory } from '../../src/testing/checkers/history.ts'
import { checkLinearizable } from '../../src/testing/checkers/linearizability.ts'
import type { Operation } from '../../src/testing/checkers/operation.ts'
import { registerModel } from '../../src/testing/checkers/register.ts'
import { historyOf } from './histories.ts'

const folder = await mkdtemp(join(tmpdir(), 'quorate-history-'))
after(() => rm(folder, { recursive: true, force: true }))

const log = (...lines: readonly string[]) => lines.map(line => `INFO  jepsen.util - ${line}\n`).join('')

describe("a log of Jepsen's", () => {
  test('is read by its rules', () => {
    const operations = parseHistory(
      log(
        '0\t:invoke\t:read\tnil',
        '1   :invoke :write  4',
        ':nemesis\t:info\t:start\tnil',
        '0\t:ok\t:read\tnil',
        '1   :info   :write  :timed-out',
        '0\t:invoke\t:cas\t[3 0]',
        '2\t:invoke\t:read\tnil',
        '0\t:fail\t:cas\t[3 0]',
        '2\t:fail\t:read\t:timed-out',
        '3\t:invoke\t:cas\t[4 0]',
      ),
    )
    const shown = operations.map(
      ({ client, op, args, outcome, result, call, return: end }) =>
        `${client} ${op} ${JSON.stringify(args)} ${outcome} ${JSON.stringify(result)} ${call} ${end}`,
    )
    assert.deepEqual(shown, [
      '0 read [] ok null 1 4',
      '1 write [4] unknown undefined 2 5',
      '0 cas [3,0] ok false 6 8',
      '2 read [] fail undefined 7 9',
      '3 cas [4,0] unknown undefined 10 null',
    ])
  })

  test('that makes no sense is refused with the line', () => {
    assert.throws(() => parseHistory(log('0\t:ok\t:read\tnil')), /line 1 answers no call/)
    assert.throws(
      () => parseHistory(log('0\t:invoke\t:read\tnil', '0\t:ok\t:read\t?')),
      /line 2 cannot be understood/,
    )
    assert.throws(() => parseHistory(log('0\t:invoke\t:cas\t4')), /line 1 cannot be understood/)
    assert.throws(() => parseHistory('something else\n'), /no operation/)
  })
})

describe('JSON lines', () => {
  test('are read as they were written', () => {
    const operations = historyOf('|a:put 1-| |a:get =1-| |b:insert {"x":[1]}?')
    assert.deepEqual(parseHistory(formatHistory(operations)), operations)
  })

  test('that are no operations are refused with the line', () => {
    const good = formatHistory(historyOf('|get =1-|'))
    for (const bad of [
      '{',
      '{"client":1}',
      good.replace('"ok"', '"perhaps"'),
      good.replace('"return":8', '"return":-1'),
    ]) {
      assert.throws(() => parseHistory(`${good}${bad}\n`), /line 2 is not an operation/)
    }
  })
})

/** Of the samples that are published with Jepsen's verdicts, those that are known here. */
const verdicts: Readonly<Record<string, string>> = {
  'etcd_000.log': 'not-linearizable',
  'etcd_001.log': 'not-linearizable',
  'etcd_002.log': 'linearizable',
  'etcd_003.log': 'not-linearizable',
  'etcd_005.log': 'linearizable',
  'etcd_007.log': 'linearizable',
}

const samples = process.env.JEPSEN_HISTORIES
if (samples !== undefined) {
  describe("the samples of Jepsen's etcd test", async () => {
    const names = (await readdir(samples)).filter(name => name in verdicts)
    for (const name of names) {
      test(`${name} is ${verdicts[name]}, and never when a read saw what nobody wrote`, async () => {
        const operations = parseHistory(await readFile(join(samples, name), 'utf8'))
        assert.equal(checkLinearizable(registerModel, operations).type, verdicts[name])
        for (const read of operations.filter(({ op, outcome }) => op === 'read' && outcome === 'ok')) {
          const changed = operations.map(
            (other): Operation => (other === read ? { ...read, result: 99 } : other),
          )
          assert.equal(checkLinearizable(registerModel, changed).type, 'not-linearizable')
        }
      })
    }
  })
}

describe('npm run check-history', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))

  const run = (...args: readonly string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
      execFile(process.execPath, ['--import', 'tsx', main, ...args], (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      )
    })

  test('prints a line per file, and why where one is not linearizable', async () => {
    const good = join(folder, 'good.jsonl')
    const bad = join(folder, 'bad.log')
    await writeFile(good, formatHistory(historyOf('|a:put 1-| |a:get =1-|')))
    await writeFile(bad, log('0\t:invoke\t:read\tnil', '0\t:ok\t:read\t4'))
    assert.deepEqual(await run('--model', 'kv', good), {
      code: 0,
      stdout: `${good} linearizable\n`,
      stderr: '',
    })
    const both = await run('--model', 'register', good, bad)
    assert.equal(both.code, 1)
    assert.equal(both.stdout, `${good} linearizable\n${bad} not linearizable\n`)
    assert.match(both.stderr, /client 0: read\(\) = 4, 1 to 2/)
  })

  test('says in one line what is wrong with its arguments or a file', async () => {
    const odd = join(folder, 'odd.jsonl')
    await writeFile(odd, formatHistory(historyOf('|a:shuffle-|')))
    const cases: readonly (readonly [RegExp, ...(readonly string[])])[] = [
      [/^check-history: --model is register or kv; see npm run .*\n$/],
      [/^check-history: --model is register or kv; .*\n$/, '--model', 'toString', odd],
      [/^check-history: Unknown option '--modell'; .*\n$/, '--modell', 'kv', odd],
      [/^check-history: a FILE is missing; .*\n$/, '--model', 'kv'],
      [/^.*absent\.log: .*no such file.*\n$/, '--model', 'kv', join(folder, 'absent.log')],
      [/^.*odd\.jsonl: the model knows no operation shuffle\n$/, '--model', 'kv', odd],
    ]
    for (const [message, ...args] of cases) {
      const { code, stdout, stderr } = await run(...args)
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
      assert.match(stderr, message)
    }
  })
})

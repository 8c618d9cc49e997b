import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))

async function sim(...words: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  const run = promisify(execFile)(process.execPath, ['--import', 'tsx', main, ...words])
  return run.then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    ({ code, stdout, stderr }) => ({ code, text: `${stdout}${stderr}` }),
  )
}

describe('npm run sim', () => {
  test('runs so many seeds from one on, a line each, and counts them', async () => {
    const { code, text } = await sim('--seeds', '2', '--from', '7', '--events', '500')
    const lines = text.trim().split('\n')
    assert.equal(code, 0)
    assert.equal(lines.length, 3)
    assert.match(lines[0] ?? '', /^seed 7 ok: /)
    assert.equal(lines.at(-1), '2 passed, 0 failed')
  })

  test('shows one seed as a table of events, and writes down what its clients did', async () => {
    const file = join(tmpdir(), `quorate-history-${process.pid}.jsonl`)
    const { code, text } = await sim('--replay', '7', '--trace', '--events', '2000', '--history', file)
    assert.equal(code, 0)
    assert.match(text, /^\d+\.\d\d +h\d +state +leader term/m)
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    const fields = ['client', 'op', 'key', 'args', 'call', 'return', 'outcome', 'result']
    for (const line of lines) assert.deepEqual(Object.keys(JSON.parse(line)), fields)
  })

  test('says in one line what it does not understand', async () => {
    const wrong = [
      [],
      ['--seeds', 'x'],
      ['--seeds', '1', '--replay', '2'],
      ['--nonsense'],
      ['--seeds', '1', '--trace'],
    ]
    for (const words of wrong) {
      const { code, text } = await sim(...words)
      assert.equal(code, 2, text)
      assert.match(text, /^sim: .+\n$/)
    }
  })
})

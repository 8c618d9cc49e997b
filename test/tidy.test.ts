// The style guide that holds: import table, sizes, banned words. Its rules are in tidy/rules.ts and tidy/rooms.ts.

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkSources } from './tidy/rules.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

async function readSources(): Promise<Map<string, string>> {
  const sources = new Map<string, string>()
  for (const folder of ['src', 'demo', 'test', 'e2e']) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
    for (const entry of entries) {
      if (!entry.isFile() || !/\.c?ts$/.test(entry.name)) continue
      const file = join(entry.parentPath, entry.name)
      sources.set(relative(root, file).split(sep).join('/'), await readFile(file, 'utf8'))
    }
  }
  return sources
}

test('the sources keep the import table, the sizes and the banned words', async () => {
  const sources = await readSources()
  assert.ok(sources.has('src/base/assert.ts'), 'the sources are where this test looks for them')
  const faults = checkSources(sources)
  assert.equal(faults.join('\n'), '')
})

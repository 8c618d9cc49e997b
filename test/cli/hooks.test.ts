import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { runCommand } from '../../src/cli/run.ts'
import { openHost } from '../../src/node.ts'
import { Cleanup } from '../server/cleanup.ts'
import { Quorate, quorate } from './run-quorate.ts'

describe('quorate seed --hooks', () => {
  test('opens the store of the seed with what the module exports', async t => {
    const folder = await new Cleanup(t).folder()
    const hooks = join(folder, 'hooks.mjs')
    await writeFile(
      hooks,
      `export const commands = {
        'double@1': (tx, key) => { const value = 2 * tx.get(key); tx.put(key, value); return value },
        'broken@1': () => { throw new Error('as planned') },
      }
      export const requests = { ask: body => 'heard ' + body }
      export const validate = command => command.type === 'delete' ? 'nothing is deleted here' : undefined`,
    )
    const data = join(folder, 'data')
    await using seed = new Quorate([
      ...['seed', '--port', '0', '--data', data, '--secret', 'secret', '--hooks', hooks],
    ])
    const [, url = ''] = await seed.printed(/ready: (http:\/\/127\.0\.0\.1:\d+)\/\n/)
    await using host = await openHost({
      ...{ cluster: 'demo', secret: 'secret', role: 'client', webrtc: 'off' },
      seeds: [url],
    })
    const store = await host.store()
    await store.put('number', 21)
    assert.equal(await store.command('double@1', 'number'), 42)
    assert.equal(await store.request('ask', 'you'), 'heard you')
    await assert.rejects(store.delete('number'), { code: 'REFUSED' })
    await assert.rejects(store.command('broken@1', null), { code: 'COMMAND_FAILED' })
    await host.close()
    seed.signal('SIGTERM')
    const { code, err } = await seed.ended()
    assert.equal(code, 0)
    assert.match(err, /^quorate: the command broken@1 failed: Error: as planned\n/)
  })

  test('has the page and the commands of the demo with --demo alone, and refuses what both would name', async t => {
    const folder = await new Cleanup(t).folder()
    await mkdir(join(folder, 'demo'))
    await writeFile(join(folder, 'demo/main.js'), '')
    await writeFile(join(folder, 'demo/index.html'), 'the demo')
    await writeFile(
      join(folder, 'demo/hooks.js'),
      `export const commands = { 'seat.book@1': () => 'booked' }`,
    )
    const own = join(folder, 'own.mjs')
    await writeFile(own, `export const commands = { 'own@1': () => 'own' }`)
    const home = pathToFileURL(join(folder, 'cli/'))
    const started = async (data: string, ...words: readonly string[]) => {
      const ending = new AbortController()
      const args = [
        'seed',
        '--port',
        '0',
        '--data',
        join(folder, data),
        '--secret',
        'secret',
        '--json',
        ...words,
      ]
      const said = new EventEmitter()
      const print = async (line: string) => void said.emit('line', line)
      const terminal = {
        env: {},
        home,
        stdin: Readable.from([]),
        ended: ending.signal,
        print,
        warn: () => {},
      }
      const ended = runCommand(args, terminal)
      const [line] = await once(said, 'line')
      const { url } = JSON.parse(line) as { readonly url: string }
      const page = (await fetch(url)).status
      const options = {
        cluster: 'demo',
        secret: 'secret',
        role: 'client',
        webrtc: 'off',
        seeds: [url],
      } as const
      await using host = await openHost(options)
      const store = await host.store()
      const ends = ['seat.book@1', 'own@1'].map(name => store.command(name).catch(error => error.code))
      const given = await Promise.all(ends)
      await host.close()
      ending.abort()
      await ended
      return [page, ...given]
    }
    assert.deepEqual(await started('plain', '--hooks', own), [404, 'COMMAND_UNKNOWN', 'own'])
    assert.deepEqual(await started('demo', '--demo', '--hooks', own), [200, 'booked', 'own'])
    const both = await quorate(['seed', '--demo', '--hooks', `${folder}/demo/hooks.js`], {}, '', home)
    assert.deepEqual(
      [both.code, both.err],
      [2, 'quorate: --hooks and --demo both have the command seat.book@1\n'],
    )
    const none = await quorate(['seed', '--demo'], {}, '', pathToFileURL(join(folder, 'elsewhere/cli/')))
    assert.match(none.err, /^quorate: --demo: the demo is not built/)
  })

  test('says which commands the pages have and the seed has not', async t => {
    const data = join(await new Cleanup(t).folder(), 'data')
    await using seed = new Quorate(['seed', '--port', '0', '--data', data, '--secret', 'secret'])
    const [, url = ''] = await seed.printed(/ready: (http:\/\/127\.0\.0\.1:\d+)\/\n/)
    await using host = await openHost({ cluster: 'demo', secret: 'secret', webrtc: 'off', seeds: [url] })
    await host.store('main', { commands: { 'seat.book@7': () => null } })
    while (!seed.err.includes('\n')) await once(seed.child.stderr as Readable, 'data')
    const what = `host ${host.id} has commands that this seed was not given (seat.book@7)`
    assert.equal(seed.err, `quorate: ${what}; the seed stops where they are used: see --hooks\n`)
  })

  test('says what is wrong with the module', async t => {
    const folder = await new Cleanup(t).folder()
    const cases = [
      [undefined, /: there is no such file\n$/],
      ['export const other = 1', /: the module exports none of commands, validate, requests\n$/],
      ['export const commands = ', / cannot be loaded: [^\n]+\n$/],
      [`export const commands = { book: () => 1 }`, /: the name of a command says its version: [^\n]+\n$/],
      [`export const requests = { ask: 1 }`, /: requests holds a function for each name\n$/],
    ] as const
    for (const [at, [text, message]] of cases.entries()) {
      const file = join(folder, `${at}.mjs`)
      if (text !== undefined) await writeFile(file, text)
      const data = join(folder, 'data')
      const { code, out, err } = await quorate(['seed', '--port', '0', '--data', data, '--hooks', file])
      assert.deepEqual([code, out], [2, ''])
      assert.match(err, message)
      assert.equal(err.split('\n').length, 2, 'one line')
    }
    const { code, err } = await quorate(['seed', '--signal-only', '--hooks', join(folder, '1.mjs')])
    assert.deepEqual([code, err], [2, 'quorate: --hooks are for a store, and --signal-only has none\n'])
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cleanup } from '../server/cleanup.ts'
import { Quorate, quorate } from './run-quorate.ts'

const ready = /^Quorate seed of cluster "demo" is ready: (http:\/\/127\.0\.0\.1:\d+)\/\n/

test('a seed prints its address, serves the other commands, and SIGTERM ends it with 0', async t => {
  const data = await new Cleanup(t).folder()
  await using seed = new Quorate(['seed', '--port', '0', '--data', data])
  const [, url = ''] = await seed.printed(ready)
  const env = { QUORATE_URL: url }
  assert.equal((await quorate(['put', 'key', '[1]'], env)).code, 0)
  assert.equal((await quorate(['get', 'key'], env)).out, '[1]\n')
  const { out: members } = await quorate(['members'], env)
  const [, id = ''] = /^(\S+) {2}voter\n$/.exec(members) ?? []
  const changes = [
    [['weigh', `${id}=3`], 0, `${id}  voter  weight 3\n`, ''],
    [['transfer', id], 0, `${id}  voter  weight 3\n`, ''],
    [['weigh', `${id}=101`], 3, '', 'quorate: MEMBERSHIP_REFUSED: a weight is from 1 to 100\n'],
    [['transfer', 'nobody'], 3, '', 'quorate: NOT_MEMBER: host nobody is no member of the group\n'],
    [['promote', 'nobody'], 3, '', 'quorate: NOT_MEMBER: host nobody is no member of the group\n'],
    [
      ['remove', id],
      3,
      '',
      `quorate: LAST_VOTER: host ${id} is the last member that votes and keeps values\n`,
    ],
  ] as const
  for (const [args, code, out, err] of changes)
    assert.deepEqual(await quorate(['members', ...args], env), { code, out, err })
  await using watch = new Quorate(['watch', '--from', '2', '--url', url])
  await watch.printed(/put "key" \[1\]\n/)
  seed.signal('SIGTERM')
  const { code, out, err } = await seed.ended()
  assert.deepEqual([code, out.split('\n').length, err], [0, 2, ''])
  assert.equal((await watch.ended()).code, 2)

  const damaged = await flipBit(join(data, 'host'))
  const corrupt = await quorate(['seed', '--port', '0', '--data', data])
  assert.deepEqual([corrupt.code, corrupt.out], [2, ''])
  assert.match(corrupt.err, new RegExp(`^quorate: [^\\n]*${damaged}[^\\n]*\\(STORAGE_CORRUPT\\)\\n$`))
})

test('the ready line can be JSON, and never holds the secret', async t => {
  const data = await new Cleanup(t).folder()
  await using seed = new Quorate(['seed', '--port', '0', '--data', data, '--json'])
  const [line] = await seed.printed(/^.*\n/)
  const parsed = JSON.parse(line)
  assert.deepEqual(Object.keys(parsed), ['url', 'cluster', 'host'])
  seed.signal('SIGINT')
  const { code, out } = await seed.ended()
  assert.equal(code, 0)
  assert.ok(!out.includes((await readFile(join(data, 'secret'), 'utf8')).trim()))
})

test('a seed that knows no cluster says for whom it waits', async t => {
  const data = await new Cleanup(t).folder()
  await using seed = new Quorate(['seed', '--port', '0', '--data', data, '--join'])
  await seed.printed(ready)
  seed.signal('SIGTERM')
  const { err } = await seed.ended()
  assert.match(err, /^quorate: this seed knows no cluster yet; waiting for a host that belongs to one\n$/)
})

test('a signal that arrives twice is one wish, as when npm passes on what the terminal sent to both', async t => {
  await using seed = new Quorate(['seed', '--port', '0', '--data', await new Cleanup(t).folder()])
  const port = await keepBusy(seed)
  seed.signal('SIGINT')
  while (await isListening(port));
  seed.signal('SIGINT')
  const { code, err } = await seed.ended()
  assert.deepEqual([code, seed.child.signalCode, err], [0, null, ''])
})

test('a second SIGINT ends the process at once', async t => {
  await using seed = new Quorate(['seed', '--port', '0', '--data', await new Cleanup(t).folder()])
  const port = await keepBusy(seed)
  seed.signal('SIGINT')
  while (await isListening(port));
  // One that comes too soon is taken for the first one.
  const insisting = setInterval(() => seed.signal('SIGINT'), 100)
  await seed.ended()
  clearInterval(insisting)
  assert.equal(seed.child.signalCode, 'SIGINT')
})

test('what keeps a seed from starting is one line and exit code 2', async t => {
  const data = await new Cleanup(t).folder()
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const file = join(data, 'file')
  await writeFile(file, '')
  await using holder = new Quorate(['seed', '--port', '0', '--data', join(data, 'held')])
  await holder.printed(ready)
  const refusals = [
    [
      ['--port', `${port}`, '--data', join(data, 'a')],
      `port ${port} of 127.0.0.1 is in use; choose another one with --port`,
    ],
    [
      ['--port', '0', '--data', join(file, 'below')],
      `the data folder ${file}/below cannot be written (ENOTDIR) (STORAGE_FAILED)`,
    ],
    [['--port', '0', '--data', file], `the data folder ${file} cannot be written (EEXIST) (STORAGE_FAILED)`],
    [
      ['--port', '0', '--data', '/proc/quorate'],
      'the data folder /proc/quorate cannot be written (ENOENT) (STORAGE_FAILED)',
    ],
    [
      ['--port', '0', '--host', '203.0.113.7', '--secret', 's', '--data', join(data, 'b')],
      '203.0.113.7 is no address of this machine (EADDRNOTAVAIL)',
    ],
    [
      ['--port', '0', '--host', '0.0.0.0', '--data', join(data, 'c')],
      'others can reach a seed on 0.0.0.0: it needs a secret',
    ],
    [
      ['--port', '0', '--cluster', 'no spaces', '--data', join(data, 'd')],
      'cluster must have 1 to 64 letters, digits, dots, dashes or underscores',
    ],
  ] as const
  for (const [args, why] of refusals) {
    assert.deepEqual(await quorate(['seed', ...args]), { code: 2, out: '', err: `quorate: ${why}\n` })
  }
  const locked = await quorate(['seed', '--port', '0', '--data', join(data, 'held')])
  assert.deepEqual([locked.code, locked.out], [2, ''])
  assert.match(locked.err, /^quorate: [^\n]+ \(STORAGE_LOCKED\)\n$/)
})

/** Damages the oldest segment of the log well before its end; returns its name. */
async function flipBit(folder: string): Promise<string> {
  const [name = ''] = (await readdir(folder)).filter(file => file.endsWith('.wal')).sort()
  const path = join(folder, name)
  const bytes = await readFile(path)
  assert.ok((await stat(path)).size > 100)
  bytes[60] = (bytes[60] ?? 0) ^ 1
  await writeFile(path, bytes)
  return name
}

/** A request whose body never comes keeps the seed from being done with a signal for a while. Returns the port. */
async function keepBusy(seed: Quorate): Promise<number> {
  const [, url = ''] = await seed.printed(ready)
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  const headers = `host: localhost:${port}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n`
  socket.on('error', () => undefined)
  socket.write(`PUT /v1/kv/key HTTP/1.1\r\n${headers}expect: 100-continue\r\n\r\n`)
  await once(socket, 'data')
  return Number(port)
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

test('a seed whose host lost its folder, and not the record of the founding, says so and what to do', async t => {
  const data = await new Cleanup(t).folder()
  const start = ['seed', '--port', '0', '--data', data]
  await using seed = new Quorate(start)
  await seed.printed(ready)
  seed.signal('SIGTERM')
  assert.equal((await seed.ended()).code, 0)
  await rm(join(data, 'host'), { recursive: true })
  await using again = new Quorate(start)
  await again.printed(ready)
  again.signal('SIGTERM')
  const { err } = await again.ended()
  assert.match(
    err,
    /^quorate: this host is new to the cluster, .* remove host and founding\.json from [^\n]*\n$/,
  )
  for (const name of ['host', 'founding.json']) await rm(join(data, name), { recursive: true })
  await using anew = new Quorate(start)
  await anew.printed(ready)
  anew.signal('SIGTERM')
  assert.equal((await anew.ended()).err, '')
})

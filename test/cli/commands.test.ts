import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { ApiFixture, secret } from '../server/http-client.ts'
import { Quorate, quorate } from './run-quorate.ts'

test('put, get, delete, status and members say what they did', async () => {
  await using api = await ApiFixture.start()
  const env = { QUORATE_URL: `http://127.0.0.1:${api.port}/` }
  const lines = [
    [['put', 'user/42 é', '{"name":"Ada"}'], 'revision 1\n'],
    [['get', 'user/42 é'], '{"name":"Ada"}\n'],
    [['put', 'text', 'just words', '--json'], '{"revision":2}\n'],
    [['get', 'text', '--stale'], '"just words"\n'],
    [['put', 'digits', '42', '--string'], 'revision 3\n'],
    [['get', 'digits'], '"42"\n'],
    [['delete', 'digits'], 'revision 4\n'],
    [['members'], 'self  voter\n'],
    [
      ['members', 'promote', 'a', 'b', '--json'],
      '[{"hostId":"self","replica":1,"role":"voter","wanted":"voter","witness":false,"weight":1}]\n',
    ],
    [['members', 'weigh', 'self=3', 'b=1'], 'self  voter\n'],
    [['members', 'transfer', 'b'], 'self  voter\n'],
  ] as const
  for (const [args, out] of lines) assert.deepEqual(await quorate(args, env), { code: 0, out, err: '' })
  assert.ok(api.store.asked.includes('entry text stale'))
  assert.ok(api.store.asked.includes('weigh {"self":3,"b":1}'))
  assert.ok(api.store.asked.includes('transfer b'))
  const status = await quorate(['status'], env)
  assert.match(status.out, /^host {5}self \(leader\)$/m)
  api.host.error = { code: 'STORAGE_FAILED', message: 'the disk is full' }
  const failed = await quorate(['status'], env)
  assert.equal(failed.out, 'cluster  demo\nstate    failed: the disk is full (STORAGE_FAILED)\n')
  api.host.error = undefined
  assert.match(status.out, /^ {2}tab {2}direct \(host\) {2}3\.0 ms$/m)
})

test('status says why a replica answers nothing, or others do not', async () => {
  await using api = await ApiFixture.start()
  const env = { QUORATE_URL: `http://127.0.0.1:${api.port}/` }
  const told = async () => (await quorate(['status'], env)).out.match(/^(stopped|differs) .*$/gm)
  assert.equal(await told(), null)
  const diverged = { revision: 7, isExact: false, hosts: ['a', 'b'], isQuarantined: false }
  api.store.obstacles = { unknownCommand: 'seat.reserve@2', diverged }
  assert.deepEqual(await told(), [
    'stopped  at the command seat.reserve@2, which this host was not given',
    'differs  at or before 7: a, b',
  ])
  api.store.obstacles = { diverged: { ...diverged, isExact: true, isQuarantined: true } }
  assert.deepEqual(await told(), ['differs  at 7: a, b (this one answers nothing)'])
})

test('a no is exit code 1, a refusal 3, what goes later 4, and what nobody knows 5', async () => {
  await using api = await ApiFixture.start()
  const env = { QUORATE_URL: `http://127.0.0.1:${api.port}` }
  await api.store.put('taken', 'x')
  const refusals = [
    [['get', 'nothing'], 1, 'quorate: there is no key "nothing"\n'],
    [['delete', 'nothing'], 1, 'quorate: there is no key "nothing"\n'],
    [['put', 'taken', '1', '--insert'], 1, 'quorate: the key exists, with "x" of revision 1\n'],
    [['members', 'remove', 'self'], 3, 'quorate: LAST_VOTER: it is the last voter\n'],
  ] as const
  for (const [args, code, err] of refusals) assert.deepEqual(await quorate(args, env), { code, out: '', err })
  const failures = [
    ['NO_LEADER', { retryable: true }, 4],
    ['OUTCOME_UNKNOWN', { outcome: 'unknown' }, 5],
    ['TIMEOUT', { retryable: true, outcome: 'unknown' }, 5],
    ['TOO_LARGE', {}, 3],
  ] as const
  for (const [code, options, exitCode] of failures) {
    api.store.failure = new QuorateError(code, 'so it is', options)
    const ended = { code: exitCode, out: '', err: `quorate: ${code}: so it is\n` }
    assert.deepEqual(await quorate(['put', 'taken', '1'], env), ended)
  }
})

test('a change whose answer is lost is exit code 5, and a question 2', async () => {
  const server = createServer((message, response) => {
    message.resume().on('end', () => response.socket?.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const codes: number[] = []
  for (const args of [
    ['put', 'k', '1'],
    ['delete', 'k'],
    ['get', 'k'],
  ])
    codes.push((await quorate([...args, '--url', url])).code ?? -1)
  server.close()
  assert.deepEqual(codes, [5, 5, 2])
  assert.equal((await quorate(['put', 'k', '1', '--url', url])).code, 2)
})

test('what is wrong with the command is one line and exit code 2', async () => {
  const wrongs = [
    [[], /a command is missing/],
    [['frob'], /unknown command "frob"/],
    [['get'], /KEY is missing/],
    [['get', 'a', 'b'], /unexpected argument "b"/],
    [['get', 'a', '--frob'], /--frob/],
    [['get', ''], /KEY is empty/],
    [['get', '..'], /KEY "\.\." cannot be part of a URL/],
    [['put', '.', '1'], /KEY "\." cannot be part of a URL/],
    [['put', 'a', '{"b"'], /VALUE is no JSON/],
    [['get', 'a', '--url', 'ftp://x'], /--url "ftp:\/\/x" is no/],
    [['watch', '--from', '0'], /--from is a revision/],
    [['members', 'frob', 'x'], /members knows/],
    [['members', 'weigh', 'x'], /"x" is not HOST=WEIGHT/],
    [['members', 'weigh', 'x=0'], /"x=0" is not HOST=WEIGHT/],
    [['members', 'transfer'], /HOST is missing/],
    [['members', 'transfer', 'a', 'b'], /unexpected argument "b"/],
    [['members', 'weigh', 'x=1000'], /"x=1000" is not HOST=WEIGHT/],
    [['members', 'weigh', 'x=1=2'], /"x=1=2" is not HOST=WEIGHT/],
    [['members', 'promote'], /HOST is missing/],
    [['members', 'demote', 'a', 'b'], /unexpected argument "b"/],
    [['status', 'x'], /unexpected argument "x"/],
    [['watch', 'a', 'b'], /unexpected argument "b"/],
    [['put', 'a'], /VALUE is missing/],
    [['delete'], /KEY is missing/],
    [['seed', 'x'], /unexpected argument "x"/],
    [['seed', '--port', 'x'], /--port "x" is no port/],
    [['seed', '--witness', '--signal-only'], /a witness has a part in the store/],
    [['seed', '--port', '99999'], /--port "99999" is no port/],
    [['seed', '--host', '0.0.0.0'], /it needs a secret/],
    [['seed', '--secret', ''], /the secret is empty/],
    [['seed', '--data', ''], /--data is empty/],
    [['seed', '--host', ''], /--host is empty/],
  ] as const
  for (const [args, message] of wrongs) {
    const { code, out, err } = await quorate(args)
    assert.deepEqual([code, out], [2, ''], err)
    assert.match(err, message)
    assert.match(err, /^quorate: [^\n]+\n$/)
  }
})

test('the process ends with the exit code, and prints the error to standard error alone', async () => {
  await using process = new Quorate(['frob'])
  const err = 'quorate: unknown command "frob"; see quorate --help\n'
  assert.deepEqual(await process.ended(), { code: 2, out: '', err })
})

test('what is typed as JSON reaches the store as it is, or not at all', async () => {
  await using api = await ApiFixture.start()
  const env = { QUORATE_URL: `http://127.0.0.1:${api.port}` }
  assert.equal((await quorate(['put', 'exact', '1e400'], env)).code, 0)
  assert.equal(api.store.entries.get('exact')?.value, Number.POSITIVE_INFINITY)
  assert.equal((await quorate(['put', 'exact', '--', '-0'], env)).code, 0)
  assert.ok(Object.is(api.store.entries.get('exact')?.value, -0))
})

test('an output that cannot be written is one line and exit code 2', async () => {
  // A device that is always full; systems without it have none to test with.
  if (!existsSync('/dev/full')) return
  const full = openSync('/dev/full', 'w')
  try {
    await using process = new Quorate(['--help'], {}, full)
    const err = 'quorate: the output cannot be written (ENOSPC)\n'
    assert.deepEqual(await process.ended(), { code: 2, out: '', err })
  } finally {
    closeSync(full)
  }
})

test('a value can come from standard input', async () => {
  await using api = await ApiFixture.start()
  const { code } = await quorate(
    ['put', 'key', '-'],
    { QUORATE_URL: `http://127.0.0.1:${api.port}` },
    '[1,\n2]\n',
  )
  assert.deepEqual([code, api.store.entries.get('key')?.value], [0, [1, 2]])
})

test('a seed that cannot be asked is one line and exit code 2', async () => {
  await using api = await ApiFixture.start({ access: 'secret' })
  const url = `http://127.0.0.1:${api.port}`
  const noSeed = createServer((_message, response) => response.end('<html>')).listen(0, '127.0.0.1')
  await once(noSeed, 'listening')
  const other = `http://127.0.0.1:${(noSeed.address() as AddressInfo).port}`
  const { err, code } = await quorate(['get', 'a', '--url', other])
  noSeed.close()
  assert.deepEqual([code, err], [2, `quorate: ${other} is no seed: it answered 200 without JSON\n`])
  const gone = await quorate(['get', 'a', '--url', other])
  assert.deepEqual([gone.code, gone.err], [2, `quorate: ${other} cannot be reached: ECONNREFUSED\n`])
  const without = await quorate(['get', 'a', '--url', url])
  assert.deepEqual(
    [without.code, without.err],
    [2, `quorate: ${url} refused: the secret of the cluster is needed\n`],
  )
  const wrong = await quorate(['get', 'a', '--url', url], { QUORATE_SECRET: 'wrong' })
  assert.deepEqual(
    [wrong.code, wrong.err],
    [2, `quorate: ${url} refused: the secret is not that of the cluster\n`],
  )
  const right = await quorate(['status', '--url', url], { QUORATE_SECRET: secret })
  assert.equal(right.code, 0)
  assert.doesNotMatch(right.out, /a secret of the test/)
})

test('the help of a command tells of each of its options and actions', async () => {
  const common = '--url --secret --json'
  const words = {
    seed: '--port --host --data --cluster --secret --signal-only --witness --join --json',
    get: `KEY --stale ${common}`,
    put: `KEY VALUE --string --insert ${common}`,
    delete: `KEY ${common}`,
    watch: `PREFIX --from ${common}`,
    status: common,
    members: `promote demote remove weigh transfer ${common}`,
  }
  const { out: all } = await quorate(['--help'])
  for (const [command, list] of Object.entries(words)) {
    assert.match(all, new RegExp(`^ {2}${command} `, 'm'))
    const { code, out } = await quorate([command, '--help'])
    assert.equal(code, 0)
    assert.match(out, new RegExp(`^Usage: quorate ${command}`))
    for (const word of list.split(' ')) assert.ok(out.includes(word), `${command}: ${word}`)
  }
})

test('help and version are printed for whoever asks', async () => {
  const [help, seed, version] = await Promise.all([
    quorate(['--help']),
    quorate(['seed', '--help']),
    quorate(['--version']),
  ])
  assert.match(help.out, /^ {2}members {3}list the members/m)
  assert.match(help.out, /^Exit codes:$/m)
  assert.match(seed.out, /--signal-only/)
  assert.match(version.out, /^\S+\n$/)
  assert.deepEqual([help.code, seed.code, version.code], [0, 0, 0])
})

test('a watch prints changes until it is interrupted, and tells how to go on when the seed ends it', async () => {
  await using api = await ApiFixture.start()
  const url = `http://127.0.0.1:${api.port}`
  await using interrupted = new Quorate(['watch', 'a/', '--from', '1', '--url', url])
  await api.store.put('a/key', { x: 1 })
  await interrupted.printed(/^1 put "a\/key" \{"x":1\}\n/)
  await api.store.delete('a/key')
  await interrupted.printed(/^2 delete "a\/key"\n/m)
  interrupted.signal('SIGINT')
  assert.equal((await interrupted.ended()).code, 0)

  await using ended = new Quorate(['watch', '--from', '1', '--json', '--url', url])
  await ended.printed(/^\{"type":"delete","key":"a\/key","revision":2\}\n/m)
  api.api.close()
  const { code, err } = await ended.ended()
  assert.deepEqual([code, err], [2, 'quorate: the seed ended the watch; go on with --from 3\n'])
})

test('a reader that goes away ends a watch quietly', async () => {
  await using api = await ApiFixture.start()
  await using watch = new Quorate(['watch', '--from', '1', '--url', `http://127.0.0.1:${api.port}`])
  await api.store.put('key', 1)
  await watch.printed(/put/)
  watch.child.stdout?.destroy()
  for (let i = 0; watch.child.exitCode === null && i < 200; i++) {
    await api.store.put('key', i)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(await watch.ended(), { code: 0, out: watch.out, err: '' })
})

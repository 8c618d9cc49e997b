import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { httpBodyBytesMax } from '../../src/core/limits.ts'
import { ApiFixture, asJson } from './http-client.ts'

test('a value that was put is read back with its revision as entity tag', async () => {
  await using api = await ApiFixture.start()
  const put = await api.put('user/42', { name: 'Ada' })
  assert.deepEqual([put.status, put.body], [200, { revision: 1 }])
  const got = await api.ask('/v1/kv/user/42')
  assert.deepEqual([got.status, got.body, got.headers.etag], [200, { name: 'Ada' }, '"1"'])
  const unchanged = await api.ask('/v1/kv/user/42', { headers: { 'if-none-match': '"1"' } })
  assert.deepEqual([unchanged.status, unchanged.text], [304, ''])
})

test('a key is the rest of the path, percent-decoded, dots and slashes and all', async () => {
  await using api = await ApiFixture.start()
  await api.put('a/../b%20%C3%A9%2F%3F', 1)
  assert.deepEqual(api.store.asked, ['put a/../b é/?'])
  assert.equal((await api.ask('/v1/kv/%zz')).status, 400)
  assert.equal((await api.ask('/v1/kv/%ff')).status, 400)
})

test('null is a value, and an absent key is 404', async () => {
  await using api = await ApiFixture.start()
  await api.put('nothing', null)
  const present = await api.ask('/v1/kv/nothing')
  assert.deepEqual([present.status, present.text], [200, 'null\n'])
  const missing = await api.ask('/v1/kv/other')
  assert.equal(missing.status, 404)
  assert.equal(missing.body.error?.code, 'NOT_FOUND')
})

test('If-None-Match: * inserts once, and the loser is told the present value', async () => {
  await using api = await ApiFixture.start()
  const first = await api.put('name', 'ada', { 'if-none-match': '*' })
  assert.deepEqual([first.status, first.body], [201, { ok: true, revision: 1 }])
  const second = await api.put('name', 'bob', { 'if-none-match': '*' })
  assert.equal(second.status, 412)
  assert.deepEqual([second.body.ok, second.body.value, second.body.revision], [false, 'ada', 1])
  assert.equal(second.body.error?.code, 'EXISTS')
})

test('a condition that cannot be kept is refused instead of ignored', async () => {
  await using api = await ApiFixture.start()
  assert.equal((await api.put('name', 1, { 'if-match': '"1"' })).status, 501)
  assert.equal((await api.put('name', 1, { 'if-none-match': '"1"' })).status, 400)
  const deleted = await api.ask('/v1/kv/name', { method: 'DELETE', headers: { 'if-match': '"1"' } })
  assert.equal(deleted.status, 501)
  assert.deepEqual(api.store.asked, [])
})

test('a delete says whether there was anything', async () => {
  await using api = await ApiFixture.start()
  await api.put('key', 1)
  assert.deepEqual((await api.ask('/v1/kv/key', { method: 'DELETE' })).body, { ok: true, revision: 2 })
  assert.deepEqual((await api.ask('/v1/kv/key', { method: 'DELETE' })).body, { ok: false, revision: 3 })
})

test('a scan gives entries in order and says when there are more', async () => {
  await using api = await ApiFixture.start()
  for (const key of ['b/2', 'b/1', 'a', 'b/3']) await api.put(key, key)
  const { body } = await api.ask('/v1/kv?prefix=b/&limit=2')
  const keys = (body.entries as { readonly key: string }[]).map(entry => entry.key)
  assert.deepEqual([keys, body.more], [['b/1', 'b/2'], true])
  const rest = await api.ask('/v1/kv?gt=b/2')
  assert.equal(rest.body.more, false)
  assert.equal((await api.ask('/v1/kv?limit=0')).status, 400)
  assert.equal((await api.ask('/v1/kv?limit=1e3')).status, 400)
})

test('a query that says what nobody heeds, the same twice, or nothing is refused, and nothing is done', async () => {
  await using api = await ApiFixture.start()
  await api.put('key', 1)
  const refused: readonly [string, string, RegExp][] = [
    ['PUT', '/v1/kv/key?table=users', /no parameter "table" here; known: consistency, deadlineMs/],
    ['DELETE', '/v1/kv/key?table=', /no parameter "table"/],
    ['GET', '/v1/kv?limit=1&limit=2', /limit is given more than once/],
    ['GET', '/v1/kv?prefix=', /prefix is empty/],
    ['GET', '/v1/kv?key=key', /no parameter "key"/],
    ['GET', '/v1/kv/key?consistency=', /consistency is empty/],
    ['GET', '/v1/watch?prefx=a', /no parameter "prefx"/],
    ['GET', '/v1/watch?key=', /key is empty/],
    ['POST', '/v1/members?host=a', /no parameter "host"/],
    ['GET', '/v1/status?x', /no parameter "x" here; known: none/],
    ['GET', '/metrics?x=1', /no parameter "x"/],
  ]
  for (const [method, path, message] of refused) {
    const body = method === 'PUT' || method === 'POST' ? { body: '2', headers: asJson } : {}
    const { status, body: answer } = await api.ask(path, { method, ...body })
    assert.equal(status, 400, path)
    assert.match(String(answer.error?.message), message)
  }
  assert.equal((await api.ask('/v1/kv/key')).body, 1)
  assert.equal((await api.ask('/healthz?from=the-balancer')).status, 200)
})

test('bytes are told as base64', async () => {
  await using api = await ApiFixture.start()
  await api.store.put('bytes', { inner: new Uint8Array([1, 2, 3]) })
  assert.deepEqual((await api.ask('/v1/kv/bytes')).body, { inner: { base64: 'AQID' } })
})

test('the consistency of a read is linearizable unless another one is asked for', async () => {
  await using api = await ApiFixture.start()
  await api.ask('/v1/kv/key')
  await api.ask('/v1/kv/key?consistency=stale')
  assert.deepEqual(api.store.asked, ['entry key linearizable', 'entry key stale'])
  assert.equal((await api.ask('/v1/kv/key?consistency=eventual')).status, 400)
  assert.equal((await api.ask('/v1/kv/key?deadlineMs=-1')).status, 400)
})

test('a typed error keeps its code, and its status tells who can do something', async () => {
  await using api = await ApiFixture.start()
  const cases = [
    ['NO_LEADER', 503],
    ['SYSTEM_BUSY', 429],
    ['TIMEOUT', 504],
    ['TOO_LARGE', 413],
    ['MEMBERSHIP_PENDING', 409],
    ['COMPACTED', 410],
  ] as const
  for (const [code, status] of cases) {
    api.store.failure = new QuorateError(code, 'no', { retryable: true })
    const answer = await api.ask('/v1/kv/key')
    assert.equal(answer.status, status)
    assert.deepEqual(answer.body.error, { code, message: 'no', retryable: true, outcome: 'none' })
  }
  api.store.failure = new QuorateError('OUTCOME_UNKNOWN', 'who knows', { outcome: 'unknown' })
  const lost = await api.put('key', 1)
  assert.deepEqual([lost.status, lost.body.error?.outcome], [504, 'unknown'])
})

test('a mistake of the seed is reported and told without its details', async () => {
  await using api = await ApiFixture.start()
  api.store.failure = new Error('details of the inside')
  const answer = await api.ask('/v1/kv/key')
  assert.deepEqual([answer.status, answer.body.error?.code], [500, 'INTERNAL'])
  assert.doesNotMatch(answer.text, /inside/)
  assert.deepEqual(api.errors, [api.store.failure])
})

test('bodies that are not JSON, not declared as JSON, too large or refused by the store change nothing', async () => {
  await using api = await ApiFixture.start()
  const put = (body: string | Uint8Array, headers: Record<string, string> = asJson) =>
    api.ask('/v1/kv/key', { method: 'PUT', headers, body })
  assert.equal((await put('{"a":')).status, 400)
  assert.equal((await put('')).status, 400)
  assert.equal((await put(new Uint8Array([34, 0xff, 34]))).status, 400)
  assert.equal((await put('1', {})).status, 415)
  assert.equal((await put('1', { 'content-type': 'text/plain' })).status, 415)
  for (const encoding of ['gzip', 'br, gzip', 'unheard-of']) {
    const encoded = await put('1', { ...asJson, 'content-encoding': encoding })
    assert.deepEqual([encoded.status, encoded.headers['accept-encoding']], [415, 'identity'])
    assert.equal(encoded.body.error?.code, 'UNSUPPORTED_MEDIA_TYPE')
  }
  assert.equal((await put('1', { ...asJson, 'content-encoding': 'identity' })).status, 200)
  assert.equal((await put('1', { 'content-type': 'Application/JSON; charset=utf-8' })).status, 200)
  const huge = `"${'x'.repeat(httpBodyBytesMax)}"`
  assert.equal((await put(huge)).status, 413)
  assert.equal((await put(huge, { ...asJson, 'transfer-encoding': 'chunked' })).status, 413)
  assert.equal((await put('"refused"')).body.error?.message, 'value: this cannot be stored')
  assert.equal(api.store.entries.size, 1)
})

test('a wrong method is told which ones are right', async () => {
  await using api = await ApiFixture.start()
  const answer = await api.ask('/v1/kv/key', { method: 'POST', headers: asJson, body: '1' })
  assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD, PUT, DELETE'])
  for (const method of ['constructor', 'toString', 'OPTIONS', 'PATCH']) {
    const odd = await api.ask('/v1/status', { method }).catch(() => ({ status: 400 }))
    assert.ok(odd.status === 405 || odd.status === 400, method)
  }
  const head = await api.ask('/v1/status', { method: 'HEAD' })
  assert.deepEqual([head.status, head.text], [200, ''])
})

test('health follows the leader, the error of the host and the start', async () => {
  await using api = await ApiFixture.start()
  assert.deepEqual((await api.ask('/healthz')).body, { status: 'ok' })
  api.store.leader = undefined
  const lost = await api.ask('/healthz')
  assert.deepEqual([lost.status, lost.body.reason], [503, 'no leader is known'])
  api.store.role = 'removed'
  const removed = await api.ask('/healthz')
  assert.deepEqual([removed.status, removed.body.reason], [503, 'the group removed this host'])
  api.host.error = { code: 'STORAGE_FAILED', message: 'the disk is full' }
  assert.equal((await api.ask('/healthz')).body.reason, 'the disk is full')
  api.served = { type: 'starting' }
  assert.equal((await api.ask('/healthz')).status, 503)
  assert.equal((await api.ask('/v1/kv/key')).body.error?.code, 'STARTING')
  api.served = { type: 'signal-only' }
  assert.equal((await api.ask('/healthz')).status, 200)
  assert.equal((await api.ask('/v1/kv/key')).status, 501)
})

test('health says that a replica answers nothing: for want of a command, or in quarantine', async () => {
  await using api = await ApiFixture.start()
  api.store.obstacles = { unknownCommand: 'seat.reserve@2' }
  const stopped = await api.ask('/healthz')
  const why = 'this host was not given the command seat.reserve@2'
  assert.deepEqual([stopped.status, stopped.body.reason], [503, why])
  const diverged = { revision: 7, isExact: true, hosts: ['other'], isQuarantined: false }
  api.store.obstacles = { diverged }
  assert.equal((await api.ask('/healthz')).status, 200, 'somebody else is in quarantine')
  api.store.obstacles = { diverged: { ...diverged, isQuarantined: true } }
  const { status, body } = await api.ask('/healthz')
  assert.deepEqual([status, body.reason], [503, 'replicas differ, and that of this host is in quarantine'])
})

test('the status of a host that cannot go on says why, and what its replica is', async () => {
  await using api = await ApiFixture.start()
  api.host.error = { code: 'STORAGE_FAILED', message: 'the disk is full' }
  api.store.role = 'failed'
  const { status, body } = await api.ask('/v1/status')
  assert.equal(status, 200)
  assert.deepEqual([body.state, body.role, body.host], ['failed', 'failed', 'self'])
  assert.deepEqual(body.error, { code: 'STORAGE_FAILED', message: 'the disk is full' })
})

test('the status tells of the host, its store, its peers and the signaling', async () => {
  const signaling = { hosts: () => ['tab'], counters: () => ({ unauthorized: 2 }) }
  await using api = await ApiFixture.start({ signaling })
  const { body } = await api.ask('/v1/status')
  assert.equal(body.host, 'self')
  assert.equal(body.store, 'main')
  assert.equal(body.leader, 'self')
  assert.deepEqual(body.counters, { 'too large': 1 })
  assert.deepEqual(body.signaling, { hosts: ['tab'], counters: { unauthorized: 2 } })
  assert.equal((body.peers as { readonly path: string }[])[0]?.path, 'direct')
})

test('members are listed and changed, and a refusal is a conflict', async () => {
  await using api = await ApiFixture.start()
  const change = (body: unknown) =>
    api.ask('/v1/members', { method: 'POST', headers: asJson, body: JSON.stringify(body) })
  const present = await api.ask('/v1/members')
  assert.deepEqual([present.status, present.body.revision], [200, 7])
  assert.equal((await change({ action: 'promote', host: ['a', 'b'] })).status, 200)
  assert.ok(api.store.asked.includes('promote a b'))
  const last = await change({ action: 'remove', host: 'self' })
  assert.deepEqual([last.status, last.body.error?.code], [409, 'LAST_VOTER'])
  for (const wrong of [null, [], {}, { action: 'constructor', host: 'a' }, { action: 'remove' }]) {
    assert.equal((await change(wrong)).status, 400)
  }
  assert.equal((await change({ action: 'remove', host: ['a', 'b'] })).status, 400)
  assert.equal((await change({ action: 'weigh', weights: { self: 3 }, expectedRevision: 7 })).status, 200)
  assert.equal((await change({ action: 'transfer', host: 'b' })).body.revision, 7)
  assert.ok(['weigh {"self":3}', 'transfer b'].every(asked => api.store.asked.includes(asked)))
  for (const weights of [undefined, {}, { a: 0 }, { a: '1' }, [1.5]]) {
    assert.equal((await change({ action: 'weigh', weights })).status, 400)
  }
  assert.equal((await change({ action: 'demote', host: 'a', expectedRevision: 'x' })).status, 400)
})

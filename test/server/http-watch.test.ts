import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { httpWatchersMax } from '../../src/core/limits.ts'
import { ApiFixture } from './http-client.ts'

/** The blocks of a stream of server-sent events, one at a time, comments left out. */
async function* blocks(response: IncomingMessage): AsyncGenerator<string, void> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      if (!text.startsWith(':')) yield text.slice(0, end)
      text = text.slice(end + 2)
    }
  }
}

async function next(events: AsyncGenerator<string, void>): Promise<string> {
  const result = await events.next()
  assert.equal(result.done, false)
  return String(result.value)
}

test('a watch tells of the writes after it, with the revision as id', async () => {
  await using api = await ApiFixture.start()
  await api.put('a/before', 0)
  const response = await api.open('/v1/watch?prefix=a/')
  assert.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
  const events = blocks(response)
  await api.put('b/other', 1)
  await api.put('a/key', { line: 'one\ntwo' })
  assert.equal(
    await next(events),
    'id: 3\nevent: put\ndata: {"key":"a/key","value":{"line":"one\\ntwo"},"revision":3}',
  )
  await api.ask('/v1/kv/a/key', { method: 'DELETE' })
  assert.equal(await next(events), 'id: 4\nevent: delete\ndata: {"key":"a/key","revision":4}')
})

test('a watch begins at the revision asked for, and goes on behind the last one seen', async () => {
  await using api = await ApiFixture.start()
  for (let i = 1; i <= 4; i++) await api.put('key', i)
  const past = blocks(await api.open('/v1/watch?from=2'))
  assert.match(await next(past), /^id: 2\n/)
  const resumed = blocks(await api.open('/v1/watch?from=2', { headers: { 'last-event-id': '3' } }))
  assert.match(await next(resumed), /^id: 4\n/)
  assert.equal((await api.ask('/v1/watch?from=x')).status, 400)
})

test('a browser that reconnects in the middle of a revision is told all of it again', async () => {
  await using api = await ApiFixture.start()
  await api.put('a', 0)
  api.store.putTogether(['b', 'c', 'd'], 1)
  const events = blocks(await api.open('/v1/watch?from=2'))
  const told = [await next(events), await next(events), await next(events)]
  const ids = told.map(text => /^id: (\d+)\n/.exec(text)?.[1])
  assert.deepEqual(ids, ['1', '1', '2'])
  const resumed = blocks(await api.open('/v1/watch?from=2', { headers: { 'last-event-id': '1' } }))
  assert.match(await next(resumed), /"key":"b"/)
})

test('a last event whose id cannot be read is refused', async () => {
  await using api = await ApiFixture.start()
  await api.put('key', 1)
  for (const id of ['x', '3x', '-1', '1.5', '3, 4', '9'.repeat(16)]) {
    const refused = await api.ask('/v1/watch?from=1', { headers: { 'last-event-id': id } })
    assert.deepEqual([refused.status, refused.body.error?.code], [400, 'BAD_REQUEST'], id)
  }
  const fresh = blocks(await api.open('/v1/watch?from=1', { headers: { 'last-event-id': '' } }))
  assert.match(await next(fresh), /^id: 1\n/)
})

test('a watch that cannot go on says why and ends', async () => {
  await using api = await ApiFixture.start()
  api.store.watchFailure = new QuorateError('COMPACTED', 'gone')
  const events = blocks(await api.open('/v1/watch?from=1'))
  const failure = '{"code":"COMPACTED","message":"gone","retryable":false,"outcome":"none"}'
  assert.equal(await next(events), `event: failure\ndata: ${failure}`)
  assert.equal((await events.next()).done, true)
})

test('watches are counted, refused above the limit, and free again when their client leaves', async () => {
  await using api = await ApiFixture.start()
  const open: IncomingMessage[] = []
  for (let i = 0; i < httpWatchersMax; i++) open.push(await api.open('/v1/watch'))
  const refused = await api.ask('/v1/watch')
  assert.deepEqual([refused.status, refused.body.error?.code], [429, 'SYSTEM_BUSY'])
  for (const response of open) response.destroy()
  for (;;) {
    const again = await api.open('/v1/watch')
    again.destroy()
    if (again.statusCode === 200) break
  }
})

test('closing the API ends every watch', async () => {
  await using api = await ApiFixture.start()
  const events = blocks(await api.open('/v1/watch'))
  api.api.close()
  assert.equal((await events.next()).done, true)
})

test('a client that reads nothing is cut off and keeps no memory', async t => {
  t.mock.method(AbortSignal, 'timeout', () => AbortSignal.abort())
  await using api = await ApiFixture.start()
  const response = await api.open('/v1/watch')
  response.pause()
  const closed = new Promise(resolve => response.once('close', resolve))
  response.on('error', () => undefined)
  const value = 'x'.repeat(512 * 1024)
  for (let i = 0; i < 40; i++) await api.store.put('key', value)
  response.resume()
  await closed
  assert.equal(response.complete, false)
})

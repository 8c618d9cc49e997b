import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ApiFixture, asJson, secret } from './http-client.ts'

const bearer = { authorization: `Bearer ${secret}` }

test('without an explicit secret the page of the seed is told the generated one', async () => {
  await using api = await ApiFixture.start()
  const own = { host: `localhost:${api.port}`, origin: `http://localhost:${api.port}` }
  const { body } = await api.ask('/config.json', { headers: { ...own, 'sec-fetch-site': 'same-origin' } })
  assert.deepEqual(body, { cluster: 'demo', secret })
})

test('a name that was rebound to the loopback address gets neither the secret nor the store', async () => {
  await using api = await ApiFixture.start()
  for (const host of [
    'evil.example',
    'evil.example:80',
    '127.0.0.1.evil.example',
    'localhost@evil.example',
  ]) {
    for (const path of ['/config.json', '/v1/kv/key', '/v1/status', '/metrics']) {
      const answer = await api.ask(path, { headers: { host } })
      assert.equal(answer.status, 403, `${host} ${path}`)
      assert.doesNotMatch(answer.text, /a secret of the test/)
    }
  }
  for (const host of ['localhost', '127.0.0.1:1', '[::1]:8080', 'seed.localhost', 'LOCALHOST:80']) {
    assert.equal((await api.ask('/v1/status', { headers: { host } })).status, 200, host)
  }
})

test('a request that names no host gets neither', async () => {
  await using api = await ApiFixture.start()
  // By hand: the client of Node would put in the name that it connects to.
  for (const head of ['HTTP/1.0', 'HTTP/1.1\r\nHost:\r\nConnection: close']) {
    const answer = await api.askRaw(`GET /config.json ${head}\r\n\r\n`)
    assert.match(answer, /^HTTP\/1.1 403/, head)
    assert.doesNotMatch(answer, /a secret of the test/)
  }
})

test('a page of another origin gets neither the secret nor a write', async () => {
  await using api = await ApiFixture.start()
  const host = `127.0.0.1:${api.port}`
  const foreign = [
    { origin: 'http://evil.example' },
    { origin: `http://127.0.0.1:${api.port + 1}` },
    { origin: `http://localhost:${api.port}` },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]
  for (const headers of foreign) {
    const config = await api.ask('/config.json', { headers: { host, ...headers } })
    assert.equal(config.status, 403, JSON.stringify(headers))
    assert.equal(config.headers['access-control-allow-origin'], undefined)
    assert.equal((await api.put('key', 1, { host, ...headers })).status, 403)
    assert.equal(
      (await api.ask('/v1/kv/key', { method: 'DELETE', headers: { host, ...headers } })).status,
      403,
    )
  }
  const preflight = { origin: 'http://evil.example', 'access-control-request-method': 'PUT' }
  const answer = await api.ask('/v1/kv/key', { method: 'OPTIONS', headers: { host, ...preflight } })
  assert.equal(answer.status, 403)
  assert.deepEqual(api.store.asked, [])
})

test('with a secret nothing but health, the page and the name of the cluster is free', async () => {
  await using api = await ApiFixture.start({ access: 'secret' })
  assert.equal((await api.ask('/healthz')).status, 200)
  assert.deepEqual((await api.ask('/config.json')).body, { cluster: 'demo' })
  for (const path of [
    '/metrics',
    '/v1/metrics',
    '/v1/status',
    '/v1/kv',
    '/v1/kv/key',
    '/v1/watch',
    '/v1/members',
    '/v1/other',
  ]) {
    const answer = await api.ask(path)
    assert.equal(answer.status, 401, path)
    assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/)
  }
  assert.equal((await api.ask('/v1/status', { headers: bearer })).status, 200)
  assert.equal((await api.ask('/v1/status', { headers: { ...bearer, host: 'seed.example' } })).status, 200)
  assert.equal((await api.put('key', 1, { ...bearer, origin: 'http://evil.example' })).status, 403)
})

test('a wrong secret is refused, even where none is needed', async () => {
  for (const access of ['local', 'secret'] as const) {
    await using api = await ApiFixture.start({ access })
    for (const authorization of ['Bearer', 'Bearer ', `Bearer ${secret}x`, `Basic ${secret}`, secret]) {
      const answer = await api.ask('/v1/status', { headers: { authorization } })
      assert.deepEqual([answer.status, answer.body.error?.code], [401, 'UNAUTHORIZED'], authorization)
    }
  }
})

test('the demo is served without a way out of its folder', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-demo-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'index.html'), '<title>demo</title>')
  await writeFile(join(folder, '.secret.txt'), 'secret')
  await using api = await ApiFixture.start({ demo: folder })
  const page = await api.ask('/')
  assert.deepEqual([page.status, page.text], [200, '<title>demo</title>'])
  assert.match(String(page.headers['content-security-policy']), /frame-ancestors 'none'/)
  const outside = [
    '/.secret.txt',
    '/../index.html',
    '/%2e%2e/index.html',
    '//index.html',
    '/x/',
    '/index.html/x.js',
    '/x.js',
  ]
  for (const path of outside) assert.equal((await api.ask(path)).status, 404, path)
  assert.equal((await api.ask('/', { method: 'POST' })).status, 405)
})

test('garbage on the socket disturbs nobody else', async () => {
  await using api = await ApiFixture.start()
  const garbage = [
    '\0\0\0\r\n\r\n',
    'GET http://evil.example/v1/status HTTP/1.1\r\n\r\n',
    `GET /${'x'.repeat(1e5)} HTTP/1.1\r\n\r\n`,
  ]
  for (const text of garbage) {
    assert.match(await api.askRaw(text), /^HTTP\/1.1 4/)
  }
  assert.equal((await api.put('key', 1, asJson)).status, 200)
  assert.deepEqual(api.errors, [])
})

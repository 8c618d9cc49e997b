import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SessionMap } from '../../src/engine/calls/session-map.ts'

test('a map by session and number holds what it was given, however many sessions come and go', () => {
  const step = fc.record({ isSet: fc.boolean(), session: fc.nat(200), seq: fc.nat(3) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1000 }), steps => {
      const map = new SessionMap<number>()
      const model = new Map<string, number>()
      for (const [at, { isSet, session, seq }] of steps.entries()) {
        if (isSet) {
          map.set(session, seq, at)
          model.set(`${session} ${seq}`, at)
        } else {
          map.delete(session, seq)
          model.delete(`${session} ${seq}`)
        }
        assert.equal(map.size, model.size)
        assert.equal(map.get(session, seq), model.get(`${session} ${seq}`))
      }
      assert.deepEqual([...map.values()].sort(), [...model.values()].sort())
    }),
    { numRuns: 100 },
  )
})

test('a map by session looks for sessions to let go no oftener than as many have come anew', () => {
  const map = new SessionMap<true>()
  let looks = 0
  const sessions = (map as unknown as { readonly sessions: Map<number, unknown> }).sessions
  const iterate = sessions[Symbol.iterator].bind(sessions)
  sessions[Symbol.iterator] = () => {
    looks += sessions.size
    return iterate()
  }
  for (let session = 1; session <= 4096; session++) map.set(session, 1, true)
  for (let session = 1; session <= 4096; session++) map.delete(session, 1)
  for (let session = 4097; session <= 8192; session++) {
    map.set(session, 1, true)
    map.delete(session, 1)
  }
  assert(looks <= 2 * 8192, `${looks} looks`)
  assert(sessions.size <= 8192)
  assert.equal(map.size, 0)
})

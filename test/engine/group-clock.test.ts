import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../src/clock/clock.ts'
import { GroupClock } from '../../src/engine/replica/group-clock.ts'

test("the group's clock begins where the log left it, whatever fraction of a ms the leader's own clock shows", () => {
  for (let i = 0; i < 1000; i++) {
    const now = 1000 / 3 + i * 7.7
    const clock = new GroupClock({ now: () => now } as Clock)
    clock.lead(1, 9187)
    assert.equal(clock.now(1), 9187)
  }
})

test('time in which a leader was stopped does not count, and what it told before stands, applied or not', () => {
  let now = 1000
  const clock = new GroupClock({ now: () => now } as Clock)
  clock.lead(1, 50)
  now += 1500
  assert.equal(clock.now(1), 1550)
  clock.stop()
  now += 60_000
  clock.restart()
  assert.equal(clock.now(1), 1550)
  now += 5
  assert.equal(clock.now(1), 1555)
})

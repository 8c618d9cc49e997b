import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { sessionWindowMax } from '../../src/core/limits.ts'
import type { Proposal, Result } from '../../src/core/machine/command.ts'
import { ClientSession } from '../../src/engine/calls/session.ts'
import type { Answer } from '../../src/engine/replica/proposals.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'

const call = { deadline: Number.POSITIVE_INFINITY, signal: undefined }
const put = { type: 'put', key: 'k', value: new Uint8Array(1) } as const
const settled = () => new Promise<void>(resolve => setImmediate(resolve))

/** A session over a group that answers as the test says, and opens sessions 1, 2, 3 and so on. */
function session(answer: (proposal: Proposal) => Promise<Answer>) {
  let opened = 0
  const submitted: Proposal[] = []
  const client = new ClientSession({
    hostId: 'a',
    random: () => 0.5,
    clock: new HostClock(new VirtualTimers()),
    submit: async proposal => {
      if (proposal.command.type !== 'open-session') submitted.push(proposal)
      else return { result: { type: 'session', session: ++opened }, attempts: 1 }
      return answer(proposal)
    },
  })
  return { client, submitted }
}

const same = (result: Result) => result

describe('a command of a session that was evicted', () => {
  const evicted = (attempts: number) =>
    session(async ({ session: id }) => {
      if (id === 1) return { result: { type: 'session-expired' }, attempts }
      return { result: { type: 'written', revision: 7 }, attempts: 1 }
    })

  test('is tried anew in another one where it was handed on once: it was not applied', async () => {
    const { client, submitted } = evicted(1)
    assert.deepEqual(await client.execute(put, call, same), { type: 'written', revision: 7 })
    assert.deepEqual(
      submitted.map(({ session: id }) => id),
      [1, 2],
    )
  })

  test('is not tried anew where it was handed on twice: the first attempt may have been applied', async () => {
    const { client, submitted } = evicted(2)
    await assert.rejects(
      client.execute(put, call, same),
      error => isQuorateError(error, 'OUTCOME_UNKNOWN') && error.outcome === 'unknown',
    )
    assert.equal(submitted.length, 1)
  })
})

describe('the window of a session', () => {
  test('holds no more commands than replicas remember, and lets in as many as leave it', async () => {
    const answers: ((answer: Answer) => void)[] = []
    const { client, submitted } = session(() => new Promise(resolve => answers.push(resolve)))
    // Some wait for the session to be opened, the others find it open.
    const execute = () => client.execute(put, call, same)
    const calls = Array.from({ length: sessionWindowMax / 2 }, execute)
    await settled()
    calls.push(...Array.from({ length: sessionWindowMax / 2 + 10 }, execute))
    await settled()
    assert.equal(submitted.length, sessionWindowMax)
    const written: Answer = { result: { type: 'written', revision: 7 }, attempts: 1 }
    // The second one leaves no room: replicas remember a span, and the first is still in it.
    answers[1]?.(written)
    await settled()
    assert.equal(submitted.length, sessionWindowMax)
    answers[0]?.(written)
    await settled()
    assert.equal(submitted.length, sessionWindowMax + 2)
    assert.deepEqual(
      [submitted.at(-3)?.acked, submitted.at(-1)?.acked],
      [0, 2],
      'all up to there are settled',
    )
    client.close(new Error() as never)
    for (const one of calls) one.catch(() => {})
  })

  test('lets those in first who have waited longest, whoever else comes meanwhile', async () => {
    const answers: ((answer: Answer) => void)[] = []
    const { client, submitted } = session(() => new Promise(resolve => answers.push(resolve)))
    const execute = (number: number) => client.execute({ ...put, key: `${number}` }, call, same)
    const calls = Array.from({ length: sessionWindowMax + 300 }, (_, number) => execute(number))
    await settled()
    const written: Answer = { result: { type: 'written', revision: 7 }, attempts: 1 }
    for (const answer of answers.splice(0, 20)) answer(written)
    calls.push(execute(calls.length))
    await settled()
    for (const answer of answers.splice(0, 400)) answer(written)
    await Promise.resolve()
    calls.push(execute(calls.length))
    await settled()
    assert.deepEqual(
      submitted.map(({ command }) => 'key' in command && Number(command.key)),
      calls.map((_, number) => number),
    )
    client.close(new Error() as never)
    for (const one of calls) one.catch(() => {})
  })
})

test('what waits for a session is bounded by its bytes, those behind a fence, too', async () => {
  const client = new ClientSession({
    hostId: 'a',
    random: () => 0.5,
    clock: new HostClock(new VirtualTimers()),
    submit: () => new Promise(() => {}),
  })
  const command = { ...put, value: new Uint8Array(1024 * 1024) }
  const calls = Array.from({ length: 65 }, () =>
    client.execute({ type: 'fenced', key: 'lock', createRevision: 1, command }, call, same),
  )
  await assert.rejects(calls.at(-1) ?? settled(), error => isQuorateError(error, 'SYSTEM_BUSY'))
  for (const one of calls) one.catch(() => {})
})

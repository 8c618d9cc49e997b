// A process must end by itself once its connections are closed, whoever closed them and when.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'

/** Of each kind. Set it to 1000 to be sure. */
const connections = Number(process.env.QUORATE_EXIT_CONNECTIONS ?? 48)

const patterns = {
  initiator: 'one end closed them',
  responder: 'the other end closed them',
  both: 'both ends closed them at once',
  crossing: 'both ends closed them while the news was under way',
  negotiating: 'they were closed while they were negotiated',
  arriving: 'they were closed while channels of the peer arrived',
  killed: 'the process at the other end was killed',
}

describe('a process ends by itself after its connections are gone:', { concurrency: 2 }, () => {
  for (const [pattern, behaviour] of Object.entries(patterns)) {
    test(behaviour, async t => {
      const child = fork(new URL('./links-child.ts', import.meta.url), [pattern, String(connections)], {
        execArgv: ['--import', 'tsx'],
      })
      t.after(() => child.kill('SIGKILL'))
      const ended = once(child, 'exit')
      const [said] = await Promise.race([once(child, 'message'), ended])
      assert.equal(said, 'closed')
      const late = setTimeout(() => child.kill('SIGKILL'), 3_000)
      assert.deepEqual(await ended, [0, null], 'nothing keeps it alive')
      clearTimeout(late)
    })
  }
})

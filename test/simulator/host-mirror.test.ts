import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeBootstrap } from '../../src/engine/replica/bootstrap.ts'
import { HostMirror } from '../../src/testing/simulator/host-mirror.ts'
import type { LogMirror } from '../../src/testing/simulator/log-mirror.ts'

function bootstrap(replica: number): Uint8Array {
  return encodeBootstrap({ cluster: 'c', host: 'a', replica, isRemoved: true, isWitness: false })
}

test('a replica is the same where a crash undid its removal from the disk, and another where it joined again', () => {
  const named: LogMirror[] = []
  const mirror = new HostMirror(
    { writing: () => {}, named: (_group, durable) => named.push(durable) },
    assert.fail,
  )
  const write = (replica: number) => {
    const batch = { groups: new Map([['main', { bootstrap: bootstrap(replica) }]]) }
    mirror.writing(batch)
    mirror.written(batch)
  }
  write(1)
  // The storage refuses the first time.
  mirror.removing('main')
  mirror.removing('main')
  const hardState = { term: 0, vote: 0, commit: 0 }
  const stored = { hardState, entries: [], snapshot: undefined, bootstrap: bootstrap(1) }
  mirror.loaded({ groups: new Map([['main', stored]]), values: new Map() })
  assert.equal(named.length, 2)
  assert.equal(named[0], named[1])
  mirror.removing('main')
  write(2)
  assert.notEqual(named[2], named[0])
})

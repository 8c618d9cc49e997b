import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dialsMax } from '../../src/core/limits.ts'
import { chooseDials } from '../../src/engine/host/dialing.ts'
import { PeerBook } from '../../src/engine/peers/peer-book.ts'

/** What a host says of itself that has replicas of these groups. */
function hello(version: number, ...groups: readonly string[]) {
  return [groups.map(group => [group, 1, false]), version, 0, true, 1]
}

describe('the book of peers', () => {
  test('does not believe a hello that comes behind a younger one', () => {
    const book = new PeerBook(() => 0)
    book.connected('b')
    book.receive('b', hello(7))
    assert.deepEqual(book.receive('b', hello(8, 'main')).changed, ['main'])
    const late = book.receive('b', hello(7))
    assert.deepEqual(late, { replicas: [], changed: [], isAsking: true })
    assert.deepEqual(book.hostsOf('main'), ['b'])
    assert.deepEqual(book.hostsThatMayRun('other'), [])
  })

  test('believes another life of a host, whatever number it begins with', () => {
    const book = new PeerBook(() => 0)
    book.connected('b')
    book.receive('b', hello(2 ** 40, 'main'))
    book.receive('b', hello(5))
    assert.deepEqual(book.hostsOf('main'), [])
  })
})

describe('who looks for a member', () => {
  test('goes on with those who were not asked yet', () => {
    const present = new Set(Array.from({ length: 20 }, (_, i) => `host ${i}`))
    const book = new PeerBook(() => 0)
    const dials = () =>
      chooseDials({
        self: 'self',
        needed: [],
        wantedGroups: ['main'],
        present,
        founder: undefined,
        groupsOf: host => book.groupsOf(host),
        isSilent: (host, group) => book.isSilent(host, group),
        hasDenied: (host, group) => book.hasDenied(host, group),
      })
    const asked = new Set<string>()
    for (let round = 0; round < 3; round++) {
      for (const host of dials()) {
        asked.add(host)
        book.connected(host)
        book.receive(host, hello(1, 'other'))
      }
      for (const host of present) book.disconnected(host)
    }
    assert.equal(asked.size, present.size)
    assert.equal(dials().size, 0)
    book.forgetGone()
    assert.equal(dials().size, dialsMax)
  })
})

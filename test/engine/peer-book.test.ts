import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PeerBook } from '../../src/engine/peer-book.ts'

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

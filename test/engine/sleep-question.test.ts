import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { blankMessage } from '../../src/core/raft/message.ts'
import type { RaftNode } from '../../src/core/raft/raft-node.ts'
import type { ReplicaId } from '../../src/core/types.ts'
import { Quiescence } from '../../src/engine/replica/quiescence.ts'
import { HostClock } from '../../src/testing/simulator/host-clock.ts'
import { VirtualTimers } from '../../src/testing/simulator/virtual-timers.ts'
import type { Beat, BeatType } from '../../src/wire/beat-codec.ts'

const quiesceTicks = 3

/** The part of replica 1, which leads replicas 2 and 3, or follows another leader, and has nothing to do. */
function leader(leading: ReplicaId = 1) {
  const sent: Beat[] = []
  const state = { hasCalls: false, term: 7, here: ['h2', 'h3'] }
  const node = {
    isAtRest: () => true,
    isAtRestBehind: () => true,
    status: () => ({ commit: 5 }),
    resume: () => {},
  }
  const quiescence = new Quiescence({
    group: 'main',
    id: 1,
    node: node as unknown as RaftNode,
    clock: new HostClock(new VirtualTimers()),
    tickMs: 100,
    heartbeatTicks: 1,
    electionTicks: 10,
    quiesceTicks,
    term: () => state.term,
    leader: () => leading,
    conf: () => ({ ...emptyConfState, voters: [1, 2, 3] }),
    hostOf: id => `h${id}`,
    hostsHere: () => state.here,
    hasCalls: () => state.hasCalls,
    send: (_to, beat) => sent.push(beat),
  })
  const tick = (ticks: number) => {
    for (let i = 0; i < ticks; i++) quiescence.tick()
  }
  const beats = (context: number): BeatType =>
    quiescence.beatType({ ...blankMessage, type: 'MsgHeartbeat', from: 1, to: 2, term: state.term, context })
  const consents = (from: ReplicaId, context: number, term = state.term) =>
    quiescence.heard({ type: 'consent', group: 'main', from, to: 1, term, commit: 5, context })
  return { quiescence, state, sent, tick, beats, consents }
}

describe('a leader that asks whether its group may sleep', () => {
  test('asks when it had nothing to do for a while, and never while a call waits', () => {
    const { state, tick, beats } = leader()
    tick(quiesceTicks - 1)
    assert.equal(beats(1), 'heartbeat')
    tick(1)
    state.hasCalls = true
    assert.equal(beats(2), 'heartbeat')
    state.hasCalls = false
    assert.equal(beats(3), 'drowsy')
  })

  test('sleeps when all who are there have agreed, in this round of questions or a later one, and says so', () => {
    const { quiescence, sent, tick, beats, consents } = leader()
    tick(quiesceTicks)
    beats(10)
    consents(2, 10)
    beats(11)
    assert.equal(quiescence.isAsleep, false)
    consents(3, 11)
    assert.equal(quiescence.isAsleep, true)
    assert.deepEqual(
      sent.map(({ type, to, commit }) => [type, to, commit]),
      [
        ['sleep', 2, 5],
        ['sleep', 3, 5],
      ],
    )
  })

  test('counts no consent to what it asked before something happened, whether it came before or comes late', () => {
    const { quiescence, tick, beats, consents } = leader()
    tick(quiesceTicks)
    beats(10)
    consents(2, 10)
    quiescence.stir()
    tick(quiesceTicks)
    beats(20)
    consents(3, 20)
    assert.equal(quiescence.isAsleep, false, 'the consent of before is void')
    consents(2, 10)
    assert.equal(quiescence.isAsleep, false, 'and so is one that comes late')
    consents(2, 20, 6)
    assert.equal(quiescence.isAsleep, false, 'and one of another term')
    consents(2, 20)
    assert.equal(quiescence.isAsleep, true)
  })

  test('waits for nobody whose host is not there', () => {
    const { quiescence, state, tick, beats, consents } = leader()
    state.here = ['h3']
    tick(quiesceTicks)
    beats(10)
    consents(3, 10)
    assert.equal(quiescence.isAsleep, true)
  })
})

describe('a replica that knows no leader', () => {
  test('calls the others, again and again: a call may get lost', () => {
    const { sent, tick } = leader(0)
    tick(10)
    assert.deepEqual(
      sent.map(({ type }) => type),
      Array.from({ length: 20 }, () => 'wake'),
    )
  })

  test('is also who was told nothing by its leader for two election timeouts', () => {
    const { quiescence, sent, tick } = leader(2)
    tick(20)
    assert.equal(sent.length, 0)
    tick(1)
    assert.equal(sent.length, 2)
    quiescence.listen()
    tick(20)
    assert.equal(sent.length, 2)
  })
})

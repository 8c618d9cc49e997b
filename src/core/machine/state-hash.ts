import { crc32c } from '../../base/checksum.ts'
import type { Index } from '../types.ts'
import type { Result } from './command.ts'
import type { Item } from './item.ts'
import type { GrantedLease } from './leases.ts'
import type { Members } from './members.ts'
import { addNumber, addText, finish } from './mix.ts'
import type { Session } from './sessions.ts'
import type { Times } from './state.ts'

// Hashes of parts are added up modulo 2^32, so that the whole does not depend on the order in which a map happens to
// be iterated (the additive multiset hash of Clarke et al., 2003). Each part is mixed thoroughly before: sums of bare
// CRCs would cancel out, because a CRC is linear.

export interface MachineContent {
  readonly index: Index
  readonly times: Times
  readonly items: Iterable<Item>
  readonly sessions: Iterable<Session>
  readonly leases: Iterable<GrantedLease>
  readonly members: Members
}

/**
 * A hash of everything that applying depends on: equal states have equal hashes, however they came about,
 * and two states that differ by accident have different ones but once in four billion times. Not for use
 * against forgery. It walks the whole state, where `chain` tells of the way that led there and costs nothing.
 * Simulations and tests compare by it; it is no part of the machine, so that pages do without.
 */
export function hashState(machine: { content(): MachineContent }): number {
  const { index, times, items, sessions, leases, members } = machine.content()
  let hash = addNumber(stateSeed, index)
  hash = addNumber(addNumber(hash, times.group), times.wall)
  hash = addNumber(hash, sum(items, hashItem))
  hash = addNumber(hash, sum(sessions, hashSession))
  hash = addNumber(hash, sum(leases, hashLease))
  return finish(addNumber(hash, hashMembers(members)))
}

function sum<Part>(parts: Iterable<Part>, hashOf: (part: Part) => number): number {
  let total = 0
  for (const part of parts) total = (total + hashOf(part)) >>> 0
  return total
}

function hashItem(item: Item): number {
  let hash = addText(itemSeed, item.key)
  hash = addNumber(hash, crc32c(item.value))
  hash = addNumber(hash, item.createRevision)
  hash = addNumber(hash, item.modRevision)
  return finish(addNumber(addNumber(hash, item.version), item.lease))
}

function hashLease(lease: GrantedLease): number {
  return finish(addNumber(addNumber(addNumber(leaseSeed, lease.id), lease.ttlMs), lease.deadline))
}

function hashSession(session: Session): number {
  let results = 0
  for (const [seq, result] of session.results) results = (results + hashResult(seq, result)) >>> 0
  let hash = addNumber(sessionSeed, session.id)
  hash = addText(hash, session.host)
  hash = addNumber(hash, session.floor)
  hash = addNumber(addNumber(hash, session.usedAt), session.usedClock)
  return finish(addNumber(hash, results))
}

export function hashResult(seq: number, result: Result): number {
  let hash = addText(addNumber(resultSeed, seq), result.type)
  if ('session' in result) hash = addNumber(hash, result.session)
  if ('ok' in result) hash = addNumber(hash, Number(result.ok))
  if ('revision' in result) hash = addNumber(hash, result.revision)
  if ('value' in result) hash = addBytes(hash, result.value)
  if ('code' in result) hash = addBytes(addText(hash, result.code), result.detail)
  if ('gone' in result) for (const lease of result.gone) hash = addNumber(hash, lease)
  return finish(hash)
}

function hashMembers(members: Members): number {
  let hash = addNumber(membersSeed, members.revision)
  hash = addNumber(hash, members.nextReplica)
  for (const member of members.list) {
    hash = addText(addNumber(hash, member.replica), member.host)
    hash = addText(addText(hash, member.role), member.wanted)
    hash = addNumber(addNumber(hash, Number(member.witness)), member.weight)
  }
  for (const replica of members.evicted) hash = addNumber(hash, replica)
  return finish(hash)
}

function addBytes(hash: number, bytes: Uint8Array | null): number {
  return addNumber(hash, bytes === null ? 0 : 1 + crc32c(bytes))
}

const itemSeed = 1
const sessionSeed = 2
const resultSeed = 3
const membersSeed = 4
const stateSeed = 5
const leaseSeed = 6

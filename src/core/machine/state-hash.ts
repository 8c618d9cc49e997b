import { crc32c } from '../../base/checksum.ts'
import type { Index } from '../types.ts'
import type { Result } from './command.ts'
import type { Item } from './item.ts'
import type { Members } from './members.ts'
import type { Session } from './sessions.ts'

// Hashes of parts are added up modulo 2^32, so that the whole does not depend on the order in which a map happens to
// be iterated (the additive multiset hash of Clarke et al., 2003). Each part is mixed thoroughly before: sums of bare
// CRCs would cancel out, because a CRC is linear.

export interface MachineContent {
  readonly index: Index
  readonly items: Iterable<Item>
  readonly sessions: Iterable<Session>
  readonly members: Members
}

/**
 * A hash of everything that applying depends on: equal states have equal hashes, however they came about,
 * and two states that differ by accident have different ones but once in four billion times. Not for use
 * against forgery. It walks the whole state: to keep it up with every write would cost each write more than all
 * comparisons are worth. Simulations and tests compare by it; it is no part of the machine, so that pages do without.
 */
export function hashState(machine: { content(): MachineContent }): number {
  const { index, items, sessions, members } = machine.content()
  let itemsHash = 0
  for (const item of items) itemsHash = (itemsHash + hashItem(item)) >>> 0
  let sessionsHash = 0
  for (const session of sessions) sessionsHash = (sessionsHash + hashSession(session)) >>> 0
  let hash = addNumber(stateSeed, index)
  hash = addNumber(hash, itemsHash)
  hash = addNumber(hash, sessionsHash)
  return finish(addNumber(hash, hashMembers(members)))
}

function hashItem(item: Item): number {
  let hash = addText(itemSeed, item.key)
  hash = addNumber(hash, crc32c(item.value))
  hash = addNumber(hash, item.createRevision)
  hash = addNumber(hash, item.modRevision)
  return finish(addNumber(hash, item.version))
}

function hashSession(session: Session): number {
  let results = 0
  for (const [seq, result] of session.results) results = (results + hashResult(seq, result)) >>> 0
  let hash = addNumber(sessionSeed, session.id)
  hash = addText(hash, session.host)
  hash = addNumber(hash, session.floor)
  hash = addNumber(hash, session.usedAt)
  return finish(addNumber(hash, results))
}

function hashResult(seq: number, result: Result): number {
  let hash = addText(addNumber(resultSeed, seq), result.type)
  if ('session' in result) hash = addNumber(hash, result.session)
  if ('ok' in result) hash = addNumber(hash, Number(result.ok))
  if ('revision' in result) hash = addNumber(hash, result.revision)
  if ('value' in result) hash = addNumber(hash, result.value === null ? -1 : crc32c(result.value))
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

const itemSeed = 1
const sessionSeed = 2
const resultSeed = 3
const membersSeed = 4
const stateSeed = 5

function addText(hash: number, text: string): number {
  let sum = addWord(hash, text.length)
  for (let i = 0; i < text.length; i++) sum = addWord(sum, text.charCodeAt(i))
  return sum
}

/** Takes all 53 bits of a safe integer, in two words. */
function addNumber(hash: number, value: number): number {
  return addWord(addWord(hash, value % 2 ** 32), Math.floor(value / 2 ** 32))
}

// The round and the finalizer of MurmurHash3 (x86, 32 bits), whose avalanche is well studied.

function addWord(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51)
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
  const sum = hash ^ mixed
  return Math.imul((sum << 13) | (sum >>> 19), 5) + 0xe6546b64
}

function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { leasesMax, valueBytesMax } from '../../src/core/limits.ts'
import type { Command, Fenced, Proposal, Result } from '../../src/core/machine/command.ts'
import { Machine } from '../../src/core/machine/machine.ts'
import type { MembersDelta, Role } from '../../src/core/machine/members.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { decode, encode, MalformedError } from '../../src/wire/codec.ts'
import {
  asResult,
  decodeMembersDelta,
  decodeProposal,
  encodeMembersDelta,
  encodeProposal,
  resultFields,
} from '../../src/wire/proposal-codec.ts'
import { mutated } from './mutated.ts'

const natural = fc.maxSafeNat()
const record = <Fields>(fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) =>
  fc.record(fields, { noNullPrototype: true })
const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const value = fc.uint8Array({ maxLength: 300 })
const maybeValue = fc.option(value)
const host = fc.string({ minLength: 1, maxLength: 20 })

const command: fc.Arbitrary<Command> = fc.oneof(
  record({ type: fc.constantFrom('put' as const, 'insert' as const), key, value }),
  record({ type: fc.constant('delete' as const), key }),
  record({ type: fc.constant('compare-and-swap' as const), key, expected: maybeValue, value: maybeValue }),
  fc.constant<Command>({ type: 'barrier' }),
  record({ type: fc.constant('broadcast' as const), topic: key, body: value }),
  record({ type: fc.constant('call' as const), now: natural, name: key, args: value }),
  record({
    type: fc.constant('lease-grant' as const),
    clock: natural,
    ttlMs: fc.integer({ min: 1000, max: 1e7 }),
  }),
  record({ type: fc.constant('lease-keep-alive' as const), clock: natural, leases: fc.array(natural) }),
  record({ type: fc.constant('lease-revoke' as const), lease: natural }),
  record({ type: fc.constant('expire' as const), clock: natural }),
)
const positive = natural.map(number => Math.max(1, number))
const maybeFenced: fc.Arbitrary<Command> = fc.oneof(
  command,
  record({
    type: fc.constant('fenced' as const),
    key,
    createRevision: natural,
    command: command as fc.Arbitrary<Fenced['command']>,
  }),
)
const proposal: fc.Arbitrary<Proposal> = fc.oneof(
  record({ session: positive, seq: positive, acked: natural, command: maybeFenced }),
  record({ session: fc.constant(0), seq: fc.constant(0), acked: fc.constant(0), command: maybeFenced }),
  record({
    session: fc.constant(0),
    seq: fc.constant(0),
    acked: fc.constant(0),
    command: record({ type: fc.constant('open-session' as const), host }),
  }),
  record({
    session: positive,
    seq: positive,
    acked: natural,
    command: fc.constant<Command>({ type: 'close-session' }),
  }),
)
const result: fc.Arbitrary<Result> = fc.oneof(
  record({ type: fc.constant('session' as const), session: natural }),
  record({ type: fc.constant('written' as const), revision: natural }),
  record({
    type: fc.constant('checked' as const),
    ok: fc.boolean(),
    revision: natural,
    value: maybeValue,
  }),
  record({ type: fc.constant('deleted' as const), ok: fc.boolean(), revision: natural }),
  record({ type: fc.constant('called' as const), revision: natural, value }),
  record({ type: fc.constant('failed' as const), code: host, detail: maybeValue }),
  record({ type: fc.constant('kept' as const), gone: fc.array(natural) }),
  fc.constantFrom<Result>({ type: 'session-expired' }, { type: 'stale' }, { type: 'fenced' }),
)
const role = fc.constantFrom<Role>('voter', 'learner')
const delta: fc.Arbitrary<MembersDelta> = record({
  base: natural,
  set: fc.array(
    record({ replica: natural, host, role, wanted: role, witness: fc.boolean(), weight: natural }),
    { maxLength: 5 },
  ),
  removed: fc.array(natural, { maxLength: 5 }),
  isEviction: fc.boolean(),
})

const large: Proposal = {
  session: 1,
  seq: 1,
  acked: 0,
  command: { type: 'put', key: 'large', value: new Uint8Array(1000) },
}

test('proposals, results and member changes come back equal', () => {
  fc.assert(
    fc.property(proposal, result, delta, (proposal, result, delta) => {
      assert.deepEqual(decodeProposal(encodeProposal(proposal)), proposal)
      assert.deepEqual(asResult(decode(encode(resultFields(result)))), result)
      assert.deepEqual(decodeMembersDelta(encodeMembersDelta(delta)), delta)
    }),
  )
})

test('a decoded value does not keep the buffer alive that it arrived in', () => {
  const bytes = encodeProposal({
    session: 0,
    seq: 0,
    acked: 0,
    command: { type: 'put', key: 'a', value: new Uint8Array(100) },
  })
  const { command } = decodeProposal(bytes)
  assert(command.type === 'put' && command.value.buffer !== bytes.buffer)
})

test('what no client writes is malformed', () => {
  const large = new Uint8Array(valueBytesMax + 1)
  const one = new Uint8Array(1)
  // Type, session, seq, acked; then fields: strings as texts, bytes with their length, numbers as single bytes.
  const proposals: readonly (readonly (number | string | Uint8Array)[])[] = [
    [],
    [6, 0, 0],
    [7, 0, 0, 0],
    [255, 0, 0, 0],
    [6, 0, 0, 0, 0],
    [6, 1, 0, 0],
    [1, 0, 0, 0],
    [0, 1, 1, 0, 'host'],
    [0, 0, 0, 0, ''],
    [0, 0, 0, 0, 'h'.repeat(1025)],
    [2, 0, 0, 0, '', one],
    [2, 0, 0, 0, 'a'.repeat(1025), one],
    [2, 0, 0, 0, new Uint8Array([0xed, 0xa0, 0x80]), one],
    [2, 0, 0, 0, 'a'],
    [2, 0, 0, 0, 'a', 2, 0],
    [2, 0, 0, 0, 'a', one, 0],
    [2, 0, 0, 0, 'a', large],
    [5, 0, 0, 0, 'a', 0],
    [5, 0, 0, 0, 'a', 0, 2],
    [8, 0, 0, 0, 0, ''],
    [8, 0, 0, 0, 0, 'a', 9],
    [9, 0, 0, 0, 0, 99],
    [10, 0, 0, 0, 0, 2, 1],
    [13, 0, 0, 0, 'a', 1],
    [13, 0, 0, 0, 'a', 1, 0, 'host'],
    [13, 0, 0, 0, 'a', 1, 13, 'a', 1, 6],
  ]
  for (const fields of proposals) {
    const writer = new ByteWriter()
    for (const field of fields) {
      if (typeof field === 'number') writer.byte(field)
      else if (typeof field === 'string') writer.text(field)
      else writer.bytes(field)
    }
    assert.throws(() => decodeProposal(writer.written()), MalformedError, JSON.stringify(fields.slice(0, 6)))
  }
})

test('an encoded proposal stays as it is while others are encoded behind it', () => {
  fc.assert(
    fc.property(fc.array(proposal, { maxLength: 20 }), proposals => {
      const encoded = proposals.map(encodeProposal)
      const copies = encoded.map(bytes => bytes.slice())
      for (let i = 0; i < 300; i++) encodeProposal({ ...large, seq: i + 1 })
      assert.deepEqual(encoded, copies)
      assert.deepEqual(
        encoded.map(bytes => decodeProposal(bytes)),
        proposals,
      )
    }),
    { numRuns: 20 },
  )
})

test('mutated bytes are applied as some proposal, or are malformed, and never harm the machine', () => {
  const machine = new Machine()
  fc.assert(
    fc.property(mutated(proposal.map(encodeProposal)), bytes => {
      const proposal = orMalformed(() => decodeProposal(bytes))
      if (proposal !== undefined && machine.knows(proposal)) machine.apply(machine.appliedIndex + 1, proposal)
    }),
    { numRuns: 2000 },
  )
})

test('mutated results and member changes are decoded or malformed', () => {
  fc.assert(
    fc.property(
      mutated(result.map(result => encode(resultFields(result)))),
      mutated(delta.map(encodeMembersDelta)),
      (result, delta) => {
        orMalformed(() => asResult(decode(result)))
        const decoded = orMalformed(() => decodeMembersDelta(delta))
        if (decoded !== undefined) new Machine().applyMembers(1, decoded)
      },
    ),
    { numRuns: 1000 },
  )
})

function orMalformed<Value>(decode: () => Value): Value | undefined {
  try {
    return decode()
  } catch (error) {
    assert.ok(error instanceof MalformedError, String(error))
    return undefined
  }
}

test('more leases than a group can have are not kept alive: a snapshot could not say which of them are over', () => {
  const keepAlive = (count: number): Proposal => ({
    session: 2,
    seq: 1,
    acked: 0,
    command: { type: 'lease-keep-alive', clock: 1, leases: new Array<number>(count).fill(3) },
  })
  const most = keepAlive(leasesMax)
  assert.deepEqual(decodeProposal(encodeProposal(most)), most)
  assert.throws(() => decodeProposal(encodeProposal(keepAlive(leasesMax + 1))), MalformedError)
})

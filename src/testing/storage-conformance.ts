import { equalBytes } from '../base/bytes.ts'
import { isQuorateError } from '../core/error.ts'
import type { Entry, Snapshot } from '../core/raft/types.ts'
import type { Index, Term } from '../core/types.ts'
import type { GroupWrite, Storage, StorageSupport, StoredGroup, StoredHost } from '../storage/storage.ts'
import { check } from './check.ts'

export interface StorageConformance {
  /** Names the adapter in the names of the tests. */
  readonly name: string
  /** What the adapter says of itself. A test of what it does not support is not registered. */
  readonly supports: StorageSupport
  /** A new place without data, for one test. */
  readonly place: () => Promise<StoragePlace>
  /** Registers a test: that of `node:test`, or whatever runs in a page. */
  readonly test: (name: string, run: () => Promise<void>) => void
}

/** Where data stays when its storage is closed. */
export interface StoragePlace {
  /** Opens the storage of this place; more than once, one after the other. */
  open(): Promise<Storage>
  /** Removes the data. Storage that is still open is closed first. */
  remove(): Promise<void>
}

/** Registers the tests of the contract in `storage/storage.ts`. Knows no platform and no test runner. */
export function storageConformance(suite: StorageConformance): void {
  for (const [name, run] of [...logTests, ...snapshotTests, ...hostTests]) register(suite, name, run)
  if (suite.supports.exclusive) for (const [name, run] of exclusiveTests) register(suite, name, run)
}

type Run = (place: Reopening, supports: StorageSupport) => Promise<void>
type Tests = readonly (readonly [string, Run])[]

function register(suite: StorageConformance, name: string, run: Run): void {
  suite.test(`${suite.name}: ${name}`, async () => {
    const place = await suite.place()
    const reopening = new Reopening(place)
    try {
      await run(reopening, suite.supports)
      await reopening.close()
    } finally {
      await place.remove()
    }
  })
}

/** A storage, opened and closed again and again. */
class Reopening {
  readonly place: StoragePlace
  private storage: Storage | undefined

  constructor(place: StoragePlace) {
    this.place = place
  }

  async open(): Promise<readonly [Storage, StoredHost]> {
    await this.close()
    this.storage = await this.place.open()
    return [this.storage, await this.storage.load()]
  }

  async close(): Promise<void> {
    await this.storage?.close()
  }
}

const logTests: Tests = [
  [
    'new storage is empty',
    async place => {
      const [, host] = await place.open()
      same(host, { groups: new Map(), values: new Map() })
    },
  ],
  [
    'everything that was written is there after a restart, equal in every part',
    async place => {
      const write: GroupWrite = {
        bootstrap: bytes('founder'),
        entries: [entry(1, 1), change(1, 2), { ...entry(1, 3), data: randomBytes(100_000) }],
        hardState: { term: 3, vote: 2, commit: 1 },
      }
      const [storage] = await place.open()
      await storage.write({ groups: new Map([['g', write]]), values: new Map([['v', bytes('value')]]) })
      const [, host] = await place.open()
      same(host.groups.get('g'), { snapshot: undefined, ...write })
      same(host.values, new Map([['v', bytes('value')]]))
    },
  ],
  [
    'terms and indexes above 2^32 are kept exactly',
    async place => {
      const base = Number.MAX_SAFE_INTEGER - 10
      const own = snapshot(base, 2 ** 40 + 1)
      const [storage] = await place.open()
      await storage.saveSnapshot('g', own, chunks())
      const entries = [entry(2 ** 45 + 3, base + 1), entry(2 ** 45 + 3, base + 2)]
      const hardState = { term: 2 ** 45 + 3, vote: 2 ** 33 + 1, commit: base + 2 }
      await storage.write({ groups: new Map([['g', { snapshot: own, entries, hardState }]]) })
      same(await group(place, 'g'), { hardState, snapshot: own, entries, bootstrap: undefined })
    },
  ],
  [
    'entries overwrite those from their first index on',
    async place => {
      const [storage] = await place.open()
      await write(storage, { entries: entries(1, 1, 10) })
      await write(storage, { entries: [entry(2, 4)] })
      same((await group(place, 'g')).entries, [...entries(1, 1, 3), entry(2, 4)])
    },
  ],
  [
    'writes that do not wait for each other take effect in the order of the calls',
    async place => {
      const [storage] = await place.open()
      const writes: Promise<void>[] = []
      for (let index = 1; index <= 100; index++) {
        const hardState = { term: index, vote: 1, commit: index - 1 }
        writes.push(write(storage, { entries: [entry(index, index), entry(index, index + 1)], hardState }))
      }
      await Promise.all(writes)
      const { entries: all, hardState } = await group(place, 'g')
      same(
        all.map(({ term, index }) => [term, index]),
        [...Array.from({ length: 100 }, (_, i) => [i + 1, i + 1]), [100, 101]],
      )
      same(hardState, { term: 100, vote: 1, commit: 99 })
    },
  ],
  [
    'a batch holds writes to many groups, under any names',
    async place => {
      const names = ['g', 'G', 'a/b', '../x', '', 'ä€😀', ' ', 'n\u0000l', 'x'.repeat(1024)]
      const [storage] = await place.open()
      const groups = new Map(names.map((name, i) => [name, { entries: entries(1, 1, i + 1) }]))
      await storage.write({ groups, values: new Map(names.map(name => [name, bytes(name)])) })
      const [, host] = await place.open()
      same([...host.groups.keys()].sort(), [...names].sort())
      names.forEach((name, i) => {
        same(host.groups.get(name)?.entries, entries(1, 1, i + 1))
        same(host.values.get(name), bytes(name))
      })
    },
  ],
  [
    'a value is replaced, and deleted by undefined',
    async place => {
      const [storage] = await place.open()
      const set = (name: string, value: Uint8Array | undefined) =>
        storage.write({ groups: new Map(), values: new Map([[name, value]]) })
      await Promise.all([
        set('a', bytes('1')),
        set('b', bytes('1')),
        set('a', bytes('2')),
        set('b', undefined),
      ])
      const [again, host] = await place.open()
      same(host.values, new Map([['a', bytes('2')]]))
      await again.write({ groups: new Map(), values: new Map([['a', undefined]]) })
      same((await place.open())[1].values, new Map())
    },
  ],
  [
    'the caller may change its bytes once the promise has resolved, and owns what it was given',
    async place => {
      const mine = bytes('mine')
      const [storage] = await place.open()
      await storage.write({
        groups: new Map([['g', { bootstrap: mine, entries: [{ ...entry(1, 1), data: mine }] }]]),
        values: new Map([['v', mine]]),
      })
      mine.fill(0)
      for (let round = 0; round < 2; round++) {
        const [, host] = await place.open()
        const stored = host.groups.get('g')
        const all = [stored?.bootstrap, stored?.entries[0]?.data, host.values.get('v')]
        for (const one of all) {
          same(one, bytes('mine'))
          one?.fill(1)
        }
      }
    },
  ],
  [
    'a large batch is stored whole',
    async place => {
      const large = Array.from({ length: 256 }, (_, i) => ({ ...entry(1, i + 1), data: randomBytes(20_000) }))
      const [storage] = await place.open()
      await write(storage, { entries: large })
      same((await group(place, 'g')).entries, large)
    },
  ],
]

const snapshotTests: Tests = [
  [
    'a snapshot that no write has named is not the group’s, and gone after a restart',
    async place => {
      const [storage] = await place.open()
      await write(storage, { entries: entries(1, 1, 10) })
      await storage.saveSnapshot('g', snapshot(5, 1), chunks('data'))
      await rejects(readAll(storage, snapshot(5, 1)), 'COMPACTED')
      const [again, host] = await place.open()
      same(host.groups.get('g')?.snapshot, undefined)
      await rejects(readAll(again, snapshot(5, 1)), 'COMPACTED')
    },
  ],
  [
    'a snapshot comes back in the chunks in which it was stored',
    async place => {
      const parts = [randomBytes(65_536), new Uint8Array(0), bytes('middle'), randomBytes(65_536)]
      const [storage] = await place.open()
      await storage.saveSnapshot('g', snapshot(5, 1), each(parts))
      await storage.saveSnapshot('empty', snapshot(1, 1), chunks())
      const groups = new Map([
        ['g', { snapshot: snapshot(5, 1) }],
        ['empty', { snapshot: snapshot(1, 1) }],
      ])
      await storage.write({ groups })
      same(await readAll(storage, snapshot(5, 1)), parts)
      const [again, host] = await place.open()
      same(host.groups.get('g')?.snapshot, snapshot(5, 1))
      same(await readAll(again, snapshot(5, 1)), parts)
      same(await readAll(again, snapshot(1, 1), 'empty'), [])
    },
  ],
  [
    'a snapshot that the log matches keeps the log, and entries up to it can be forgotten',
    async place => {
      const [storage] = await place.open()
      await write(storage, { entries: entries(1, 1, 10) })
      await storage.saveSnapshot('g', snapshot(6, 1), chunks('six'))
      await write(storage, { snapshot: snapshot(6, 1) })
      const [again, host] = await place.open()
      same(host.groups.get('g')?.entries, entries(1, 1, 10))
      await write(again, { compactTo: 4 })
      same((await group(place, 'g')).entries, entries(1, 5, 10))
    },
  ],
  [
    'a snapshot that the log does not match discards the log whole',
    async place => {
      const [storage] = await place.open()
      for (const [name, own] of [
        ['term', snapshot(6, 2)],
        ['beyond', snapshot(11, 1)],
      ] as const) {
        await write(storage, { entries: entries(1, 1, 10) }, name)
        await storage.saveSnapshot(name, own, chunks(name))
        await write(storage, { snapshot: own, entries: [entry(2, own.index + 1)] }, name)
      }
      const [, host] = await place.open()
      same(host.groups.get('term')?.entries, [entry(2, 7)])
      same(host.groups.get('beyond')?.entries, [entry(2, 12)])
    },
  ],
  [
    'a group that has nothing can begin with a snapshot',
    async place => {
      const [storage] = await place.open()
      await storage.saveSnapshot('g', snapshot(100, 7), chunks('hundred'))
      await write(storage, { snapshot: snapshot(100, 7), hardState: { term: 7, vote: 0, commit: 100 } })
      await write(storage, { entries: entries(7, 101, 103) })
      const stored = await group(place, 'g')
      same(stored.snapshot, snapshot(100, 7))
      same(stored.entries, entries(7, 101, 103))
    },
  ],
  [
    'a whole log can be forgotten, and goes on behind its snapshot',
    async place => {
      const [storage] = await place.open()
      await write(storage, { entries: entries(1, 1, 10) })
      await storage.saveSnapshot('g', snapshot(10, 1), chunks('ten'))
      await write(storage, { snapshot: snapshot(10, 1), compactTo: 10 })
      const [again, host] = await place.open()
      same(host.groups.get('g')?.entries, [])
      await write(again, { entries: [entry(2, 11)] })
      same((await group(place, 'g')).entries, [entry(2, 11)])
    },
  ],
  [
    'the snapshot before stays readable until the next one is named, and not after',
    async place => {
      const [storage] = await place.open()
      await write(storage, { entries: entries(1, 1, 10) })
      await storage.saveSnapshot('g', snapshot(5, 1), chunks('five'))
      await write(storage, { snapshot: snapshot(5, 1), compactTo: 3 })
      await storage.saveSnapshot('g', snapshot(8, 1), chunks('eight'))
      same(await readAll(storage, snapshot(5, 1)), [bytes('five')])
      await write(storage, { snapshot: snapshot(8, 1), compactTo: 8 })
      same(await readAll(storage, snapshot(8, 1)), [bytes('eight')])
      await rejects(readAll(storage, snapshot(5, 1)), 'COMPACTED')
    },
  ],
  [
    'storing the same index and term again replaces the unnamed one, and the named one only by a write',
    async place => {
      const [storage] = await place.open()
      await storage.saveSnapshot('g', snapshot(5, 1), chunks('first'))
      await storage.saveSnapshot('g', snapshot(5, 1), chunks('second'))
      await write(storage, { snapshot: snapshot(5, 1) })
      same(await readAll(storage, snapshot(5, 1)), [bytes('second')])
      await storage.saveSnapshot('g', snapshot(5, 1), chunks('third'))
      same(await readAll(storage, snapshot(5, 1)), [bytes('second')])
      const [again] = await place.open()
      same(await readAll(again, snapshot(5, 1)), [bytes('second')])
      await again.saveSnapshot('g', snapshot(5, 1), chunks('fourth'))
      await write(again, { snapshot: snapshot(5, 1) })
      same(await readAll((await place.open())[0], snapshot(5, 1)), [bytes('fourth')])
    },
  ],
  [
    'chunks that break off are the caller’s error: nothing is stored, and the storage goes on',
    async place => {
      const broken = async function* () {
        yield bytes('begun')
        throw new RangeError('the sender is gone')
      }
      const [storage] = await place.open()
      const error = await storage.saveSnapshot('g', snapshot(5, 1), broken()).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      check(error instanceof RangeError, `saving rejects with the error of the chunks, not with ${error}`)
      await write(storage, { entries: entries(1, 1, 3) })
      same((await group(place, 'g')).entries, entries(1, 1, 3))
    },
  ],
]

const hostTests: Tests = [
  [
    'a removed group leaves nothing, and can begin again',
    async place => {
      const [storage] = await place.open()
      await storage.saveSnapshot('g', snapshot(2, 1), chunks('two'))
      await write(storage, { snapshot: snapshot(2, 1), entries: entries(1, 3, 9), bootstrap: bytes('b') })
      await write(storage, { entries: entries(1, 1, 1) }, 'other')
      await storage.removeGroup('g')
      await rejects(readAll(storage, snapshot(2, 1)), 'COMPACTED')
      const [again, host] = await place.open()
      same([...host.groups.keys()], ['other'])
      await write(again, { entries: entries(4, 1, 2) })
      const hardState = { term: 0, vote: 0, commit: 0 }
      same(await group(place, 'g'), {
        hardState,
        snapshot: undefined,
        entries: entries(4, 1, 2),
        bootstrap: undefined,
      })
    },
  ],
  [
    'the key pair signs and verifies as before after a restart',
    async (place, { opaqueKeys }) => {
      const [storage] = await place.open()
      same(await storage.loadKeys(), undefined)
      const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
      const keys = await crypto.subtle.generateKey(algorithm, !opaqueKeys, ['sign', 'verify'])
      await storage.saveKeys(keys)
      const [again] = await place.open()
      const loaded = await again.loadKeys()
      check(loaded !== undefined, 'the keys are there')
      const signing = { name: 'ECDSA', hash: 'SHA-256' }
      const signature = await crypto.subtle.sign(signing, loaded.privateKey, bytes('text'))
      check(await crypto.subtle.verify(signing, keys.publicKey, signature, bytes('text')), 'old verifies new')
      check(
        await crypto.subtle.verify(signing, loaded.publicKey, signature, bytes('text')),
        'new verifies new',
      )
    },
  ],
  [
    'closing waits for the writes under way, can be repeated, and ends everything else',
    async place => {
      const [storage] = await place.open()
      const under = Promise.all([1, 2, 3].map(index => write(storage, { entries: [entry(1, index)] })))
      await Promise.all([storage.close(), storage.close()])
      await under
      await storage.close()
      await rejects(write(storage, { entries: [entry(1, 4)] }), 'CLOSED')
      same((await group(place, 'g')).entries, entries(1, 1, 3))
    },
  ],
]

const exclusiveTests: Tests = [
  [
    'a second owner is refused until the first one closes',
    async place => {
      const [storage] = await place.open()
      await rejects(place.place.open(), 'STORAGE_LOCKED')
      await write(storage, { entries: entries(1, 1, 1) })
      same((await group(place, 'g')).entries, entries(1, 1, 1))
    },
  ],
  [
    'of many that open at once exactly one gets it',
    async place => {
      const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => place.place.open()))
      const won = attempts.filter(attempt => attempt.status === 'fulfilled')
      same(won.length, 1)
      for (const { value } of won) await value.close()
    },
  ],
]

function write(storage: Storage, write: GroupWrite, group = 'g'): Promise<void> {
  return storage.write({ groups: new Map([[group, write]]) })
}

async function group(place: Reopening, name: string): Promise<StoredGroup> {
  const [, host] = await place.open()
  const stored = host.groups.get(name)
  check(stored !== undefined, `the group ${name} is there`)
  return stored
}

function entry(term: Term, index: Index): Entry {
  return { term, index, type: 'normal', data: bytes(`${term}/${index}`), change: null }
}

function entries(term: Term, first: Index, last: Index): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(term, first + i))
}

function change(term: Term, index: Index): Entry {
  const steps = [
    { type: 'add-voter', replica: 4 },
    { type: 'remove', replica: 300 },
  ] as const
  const change = { transition: 'joint-explicit', steps, context: bytes('context') } as const
  return { term, index, type: 'conf-change', data: new Uint8Array(0), change }
}

function snapshot(index: Index, term: Term): Snapshot {
  const conf = { voters: [1, 2, 300], learners: [4], votersOutgoing: [], learnersNext: [5], autoLeave: true }
  return { index, term, conf }
}

async function* each(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

function chunks(...texts: string[]): AsyncIterable<Uint8Array> {
  return each(texts.map(bytes))
}

async function readAll(storage: Storage, own: Snapshot, group = 'g'): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = []
  for await (const chunk of storage.readSnapshot(group, own)) parts.push(chunk)
  return parts
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(all.subarray(at, at + 65_536))
  return all
}

async function rejects(promise: Promise<unknown>, code: Parameters<typeof isQuorateError>[1]): Promise<void> {
  const error = await promise.then(
    () => 'success',
    (reason: unknown) => reason,
  )
  check(isQuorateError(error, code), `expected ${code}, not ${error}`)
}

function same(actual: unknown, expected: unknown, path = 'the result'): void {
  if (expected instanceof Uint8Array) {
    check(actual instanceof Uint8Array && equalBytes(actual, expected), `${path} has other bytes`)
  } else if (expected instanceof Map) {
    check(actual instanceof Map, `${path} is not a map`)
    same([...actual.keys()].sort(), [...expected.keys()].sort(), `${path}: the keys`)
    for (const [key, value] of expected) same(actual.get(key), value, `${path}.${key}`)
  } else if (typeof expected === 'object' && expected !== null) {
    check(typeof actual === 'object' && actual !== null, `${path} is ${actual}`)
    const [own, others] = [actual as Record<string, unknown>, expected as Record<string, unknown>]
    for (const key of new Set([...Object.keys(own), ...Object.keys(others)])) {
      same(own[key], others[key], `${path}.${key}`)
    }
  } else {
    check(Object.is(actual, expected), `${path} is ${actual}, not ${expected}`)
  }
}

import { EntryList } from '../core/raft/entry-list.ts'
import type { StorageSupport } from '../storage/storage.ts'
import { check } from './check.ts'
import { snapshotTests } from './storage-conformance-snapshots.ts'
import {
  asWrite,
  bytes,
  change,
  chunks,
  entries,
  entry,
  group,
  Reopening,
  type Run,
  randomBytes,
  readAll,
  rejects,
  type StoragePlace,
  same,
  snapshot,
  type Tests,
  write,
} from './storage-conformance-tools.ts'

export type { StoragePlace }

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

/** Registers the tests of the contract in `storage/storage.ts`. Knows no platform and no test runner. */
export function storageConformance(suite: StorageConformance): void {
  for (const [name, run] of [...logTests, ...snapshotTests, ...hostTests]) register(suite, name, run)
  if (suite.supports.exclusive) for (const [name, run] of exclusiveTests) register(suite, name, run)
}

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
      const write = {
        bootstrap: bytes('founder'),
        entries: [entry(1, 1), change(1, 2), { ...entry(1, 3), data: randomBytes(100_000) }],
        hardState: { term: 3, vote: 2, commit: 1 },
      }
      const [storage] = await place.open()
      await storage.write({
        groups: new Map([['g', asWrite(write)]]),
        values: new Map([['v', bytes('value')]]),
      })
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
      await write(storage, { snapshot: own, entries, hardState })
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
      const groups = new Map(names.map((name, i) => [name, asWrite({ entries: entries(1, 1, i + 1) })]))
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
      const bounds = [0, mine.length]
      const head = { type: 'normal', term: 1, first: 1, count: 1, from: 0, changes: [] } as const
      const run = { ...head, bytes: mine, bounds }
      const [storage] = await place.open()
      await storage.write({
        groups: new Map([['g', { bootstrap: mine, entries: new EntryList(1, [run]) }]]),
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

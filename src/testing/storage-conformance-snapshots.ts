import { check } from './check.ts'
import {
  bytes,
  chunks,
  each,
  entries,
  entry,
  group,
  randomBytes,
  readAll,
  rejects,
  same,
  snapshot,
  type Tests,
  write,
} from './storage-conformance-tools.ts'

/** What the contract of storage says of snapshots. */
export const snapshotTests: Tests = [
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
    'a snapshot that is slow to come holds up no write and no other snapshot',
    async place => {
      const [storage] = await place.open()
      let release: () => void = () => {}
      const released = new Promise<void>(resolve => {
        release = resolve
      })
      const slow = async function* () {
        yield bytes('begun')
        await released
        yield bytes('ended')
      }
      const saving = storage.saveSnapshot('slow', snapshot(5, 1), slow())
      await write(storage, { entries: entries(1, 1, 10) })
      await storage.saveSnapshot('g', snapshot(6, 1), chunks('six'))
      await write(storage, { snapshot: snapshot(6, 1), compactTo: 6 })
      release()
      await saving
      await write(storage, { snapshot: snapshot(5, 1) }, 'slow')
      const [again] = await place.open()
      same(await readAll(again, snapshot(5, 1), 'slow'), [bytes('begun'), bytes('ended')])
      same(await readAll(again, snapshot(6, 1)), [bytes('six')])
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

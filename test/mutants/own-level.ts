import type { Section } from './mutant.ts'

const byteKeys = 'src/level/byte-keys.ts'
const byteRange = 'src/level/byte-range.ts'
const iterator = 'src/level/level-iterator.ts'
const level = 'src/level/quorate-level.ts'
const pages = 'src/level/pages.ts'

/** Mistakes that the adapter to abstract-level could have. */
export const ownLevel: Section = {
  name: 'own-level',
  tests: ['test/level/quorate-level.test.ts', 'test/level/one-replica.test.ts'],
  mutants: [
    {
      id: 'L01',
      title: 'a put does not wait for the views that were asked for before it',
      edits: [
        {
          file: level,
          find: 'await this.inTurn(() => this.table.put(toKey(key), value, this.call))',
          replace: 'await this.table.put(toKey(key), value, this.call)',
        },
      ],
    },
    {
      id: 'L02',
      title: 'a batch does not wait for the views that were asked for before it',
      edits: [
        {
          file: level,
          find: 'await this.inTurn(() => this.store.txn({ success: operations }, this.call))',
          replace: 'await this.store.txn({ success: operations }, this.call)',
        },
      ],
    },
    {
      id: 'L03',
      title: 'a batch is an entry for each of its operations',
      edits: [
        {
          file: level,
          find: 'await this.inTurn(() => this.store.txn({ success: operations }, this.call))',
          replace:
            'for (const one of operations) await this.inTurn(() => this.store.txn({ success: [one] }, this.call))',
        },
      ],
    },
    {
      id: 'L04',
      title: 'a get with a snapshot reads what is there now',
      edits: [
        {
          file: level,
          find: 'if (snapshot === undefined) return this.table.get(',
          replace: 'if (snapshot !== null) return this.table.get(',
        },
      ],
    },
    {
      id: 'L05',
      title: 'the keys of a snapshot are cleared together with those that came later',
      edits: [{ file: level, find: 'snapshot === undefined && limit < 0', replace: 'limit < 0' }],
    },
    {
      id: 'L06',
      title: 'an iterator closes the snapshot that it was given',
      edits: [
        {
          file: level,
          find: 'close: () => {} }',
          replace: 'close: () => snapshot.view.then(view => view.close()) }',
        },
      ],
    },
    {
      id: 'L07',
      title: 'a view may be older than what others were told was written',
      edits: [
        {
          file: level,
          find: 'this.table.read(this.reading)',
          replace: "this.table.read({ ...this.call, consistency: 'stale' })",
        },
      ],
    },
    {
      id: 'L08',
      title: 'an empty key, and one that is a zero, are the same',
      edits: [
        { file: byteKeys, find: "key === '' || key.startsWith(zero) ? zero", replace: "key === '' ? zero" },
      ],
    },
    {
      id: 'L09',
      title: 'a bound that is longer than any key lets in the key that it begins with',
      edits: [
        {
          file: byteRange,
          find: '(lower.isOpen || lower.key.length > charactersMax ?',
          replace: '(lower.isOpen ?',
        },
      ],
    },
    {
      id: 'L10',
      title: 'the next page begins with the last key of the one before',
      edits: [{ file: pages, find: 'isOpen: true', replace: 'isOpen: false' }],
    },
    {
      id: 'L11',
      title: 'pages in reverse order begin at the end, again and again',
      edits: [{ file: pages, find: "reverse ? 'upper' : 'lower'", replace: "reverse ? 'lower' : 'lower'" }],
    },
    {
      id: 'L12',
      title: 'seeking leaves the range',
      edits: [{ file: pages, find: 'if (isWithin(this.options.range, key)) this', replace: 'if (key) this' }],
    },
    {
      id: 'L13',
      title: 'what was read ahead is given after a seek',
      edits: [
        {
          file: iterator,
          find: `    this.ahead = []
    this.position = 0
    this.stepSize = stepsAhead
    this.pages`,
          replace: '    this.pages',
        },
      ],
    },
    {
      id: 'L14',
      title: 'a read that is aborted goes on',
      edits: [
        { file: iterator, find: 'return this.signal === undefined ? page', replace: 'return page ? page' },
      ],
    },
  ],
}

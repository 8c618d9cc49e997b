import { engineTests } from './areas.ts'
import type { Section } from './mutant.ts'

const gathered = 'src/engine/client/gathered-gets.ts'
const orderedMap = 'src/base/ordered-map.ts'
const readQuery = 'src/engine/query/read-query.ts'
const readService = 'src/engine/client/read-service.ts'
const replicaBackend = 'src/engine/store/replica-backend.ts'
const storeTransaction = 'src/engine/transactions/store-transaction.ts'
const storeView = 'src/engine/transactions/store-view.ts'
const transact = 'src/engine/transactions/transact.ts'

/** Mistakes that views and optimistic transactions could have. */
export const ownReads: Section = {
  name: 'own-reads',
  tests: [...engineTests('transact', 'views', 'gathered-gets', 'txn', 'client'), 'test/machine/view.test.ts'],
  mutants: [
    {
      id: 'M123b',
      title: 'a transaction compares versions, which come back when a key is made anew',
      edits: [
        { file: storeTransaction, find: 'entry?.modRevision ?? 0', replace: 'entry?.version ?? 0' },
        {
          file: storeTransaction,
          find: 'for (const [key, modRevision] of keys) compare.push({ ...table, key, modRevision })',
          replace: 'for (const [key, version] of keys) compare.push({ ...table, key, version })',
        },
      ],
    },
    {
      id: 'V01',
      title: 'what a transaction found missing may come before it writes',
      edits: [
        {
          file: storeTransaction,
          find: 'keys.set(key, entry?.modRevision ?? 0)',
          replace: 'if (entry !== undefined) keys.set(key, entry.modRevision)',
        },
      ],
    },
    {
      id: 'V02',
      title: 'a range that a transaction read may change in its keys, if not in their number',
      edits: [
        {
          file: storeTransaction,
          find: "this.note(table, { range, modRevision: this.revision, is: '<=' })",
          replace: '',
        },
      ],
    },
    {
      id: 'V03',
      title: 'a key may go from a range that a transaction read',
      edits: [
        {
          file: storeTransaction,
          find: 'this.note(table, { range, count })',
          replace: '',
        },
      ],
    },
    {
      id: 'V04',
      title: 'a transaction that counted does not mind phantoms',
      edits: [
        {
          file: storeTransaction,
          find: '    this.record.note(this.name, { range: bounds, count })\n',
          replace: '',
        },
      ],
    },
    {
      id: 'V05',
      title: 'a scan with a limit finds too little where a transaction deleted some of it',
      edits: [{ file: storeTransaction, find: 'limit + own.length', replace: 'limit' }],
    },
    {
      id: 'V06',
      title: 'a scan from the end has seen up to its last key, and not from it',
      edits: [
        {
          file: storeTransaction,
          find: '{ ...given({ lt, lte }), gte: last }',
          replace: '{ ...given({ gt, gte }), lte: last }',
        },
      ],
    },
    {
      id: 'V07',
      title: 'a transaction can be written to when it is over',
      edits: [
        {
          file: storeTransaction,
          find: "    if (this.isOver) throw closed('none', 'transaction')\n",
          replace: '',
        },
      ],
    },
    {
      id: 'V08',
      title: 'a transaction forgets its fence',
      edits: [{ file: transact, find: '...(fence && { fence }),', replace: '' }],
    },
    {
      id: 'V09',
      title: 'a transaction that lost is taken for one that wrote',
      edits: [{ file: transact, find: 'return (value as TxnResult).ok', replace: 'return value !== null' }],
    },
    {
      id: 'V10',
      title: 'a transaction that lost its view is not tried again',
      edits: [
        {
          file: transact,
          find: "if (error instanceof QuorateError && error.code === 'VIEW_EXPIRED') return { conflict: error }\n",
          replace: '',
        },
      ],
    },
    {
      id: 'V11',
      first: 'engine/views',
      title: 'a view of a client shows what was written since',
      edits: [
        {
          file: readService,
          find: 'await view.reader.read(query, call)',
          replace: `await this.backendOf(view.group)
      .read(query, { consistency: 'stale', atLeast: 0 }, call)`,
        },
      ],
    },
    {
      id: 'V12',
      first: 'engine/views',
      title: 'whoever knows its number reads the view of another client',
      edits: [
        {
          file: readService,
          find: 'view === undefined || view.client !== client',
          replace: 'view === undefined',
        },
      ],
    },
    {
      id: 'V13',
      first: 'engine/views',
      title: 'a gateway keeps the views of a client that is gone',
      edits: [
        {
          file: readService,
          find: 'if (client === peer) this.views.delete(id)',
          replace: 'if (client === peer && id < 0) this.views.delete(id)',
        },
      ],
    },
    {
      id: 'V14',
      first: 'engine/views',
      title: 'a view that nobody asks lasts for ever',
      edits: [{ file: readService, find: 'now - usedAt > viewIdleMs || ', replace: '' }],
    },
    {
      id: 'V15',
      first: 'engine/views',
      title: 'a page begins with the last key of the one before',
      edits: [{ file: readQuery, find: '{ gt: after }', replace: '{ gte: after }' }],
    },
    {
      id: 'V16',
      first: 'engine/views',
      title: 'each page has the whole limit',
      edits: [{ file: storeView, find: 'query.limit - items.length', replace: 'query.limit' }],
    },
    {
      id: 'V17',
      first: 'engine/views',
      title: 'a long scan leaves no turn to others',
      edits: [
        {
          file: 'src/engine/transactions/local-reader.ts',
          find: 'if (isLaterPage) await',
          replace: 'if (isLaterPage && query.type === "get") await',
        },
      ],
    },
    {
      id: 'Q173',
      first: 'engine/divergence',
      title: 'a view answers on though its replica is in quarantine',
      edits: [
        {
          file: 'src/engine/transactions/local-reader.ts',
          find: '    this.source.checkTrue()\n',
          replace: '',
        },
      ],
    },
    {
      id: 'V18',
      first: 'engine/gathered-gets',
      title: 'gets of a session that are asked together are as old as the oldest of them allows',
      edits: [{ file: gathered, find: 'const atLeast = Math.max(', replace: 'const atLeast = Math.min(' }],
    },
    {
      id: 'V19',
      first: 'engine/gathered-gets',
      title: 'gets that are asked together all have the first answer',
      edits: [{ file: gathered, find: '        from += get.keys.length\n', replace: '' }],
    },
    {
      id: 'V20',
      first: 'engine/client',
      title: 'a read of a session is answered a revision too early',
      edits: [
        {
          file: replicaBackend,
          find: 'machine.appliedIndex >= atLeast ?',
          replace: 'machine.appliedIndex >= atLeast - 1 ?',
        },
      ],
    },
    {
      id: 'V21',
      first: 'machine/view',
      title: 'a count takes the key at its open end along',
      edits: [
        {
          file: orderedMap,
          find: 'lt !== undefined ? rank(keys, lt)',
          replace: 'lt !== undefined ? rankAfter(keys, lt)',
        },
      ],
    },
  ],
}

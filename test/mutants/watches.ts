import { engineTests } from './areas.ts'
import type { Section } from './mutant.ts'

const gateway = 'src/engine/client/gateway.ts'
const history = 'src/core/machine/history.ts'
const live = 'src/engine/store/live.ts'
const remoteWatches = 'src/engine/client/remote-watches.ts'
const watch = 'src/engine/store/watch.ts'
const watchers = 'src/engine/replica/watchers.ts'

export const watches: Section = {
  name: 'watches',
  tests: [
    'test/machine/history.test.ts',
    ...engineTests('watchers', 'watch', 'client-watch', 'live', 'remote-watches', 'client', 'store'),
  ],
  mutants: [
    {
      id: 'M133',
      first: 'engine/watch',
      title: 'the state is read first, and the watch begins with what comes later',
      edits: [{ file: watch, find: 'this.open(revision + 1)', replace: 'this.open(undefined)' }],
    },
    {
      id: 'M133b',
      title: 'who is registered while the others are told of a revision is told of it twice',
      edits: [
        {
          file: watchers,
          find: 'from: Math.max(from, (past.at(-1)?.revision ?? 0) + 1)',
          replace: 'from',
        },
      ],
    },
    {
      id: 'M135',
      first: 'engine/watch',
      title: 'what a slow reader has no room for is dropped in silence',
      edits: [
        {
          file: watch,
          find: 'if (isFull && this.waiting.length > 0) return this.overflow()',
          replace: 'if (isFull && this.waiting.length > 0) return',
        },
      ],
    },
    {
      id: 'M135b',
      first: 'engine/watch',
      title: 'a slow reader that resyncs never gets the state',
      edits: [{ file: watch, find: 'this.isBehind = true', replace: 'this.isBehind = false' }],
    },
    {
      id: 'M137',
      first: 'engine/watch',
      title: 'how far a watch is covers what waits to be read',
      edits: [
        {
          file: watch,
          find: 'if (oldest === undefined) return Math.max',
          replace: 'if (oldest === undefined || this.feed !== undefined) return Math.max',
        },
      ],
    },
    {
      id: 'M137b',
      first: 'engine/client-watch',
      title: 'a bookmark of a gateway covers a frame that was lost',
      edits: [
        {
          file: remoteWatches,
          find: 'if (asNatural(count) > watch.count) this.restart(watch)\n      else this.told',
          replace: 'this.told',
        },
      ],
    },
    {
      id: 'M138',
      first: 'engine/watch',
      title: 'the changes of a revision are told one by one',
      edits: [
        {
          file: watchers,
          find: 'if (from <= revision) sink.changes(own)',
          replace: 'if (from <= revision) for (const change of own) sink.changes([change])',
        },
      ],
    },
    {
      id: 'M138b',
      first: 'engine/client-watch',
      title: 'a gateway tells a large revision in two frames',
      edits: [
        {
          file: gateway,
          find: 'if (changes[position - 1]?.revision !== change.revision) {',
          replace: 'if (changes[position - 1]?.revision !== change.revision + 1) {',
        },
      ],
    },
    {
      id: 'M138c',
      first: 'engine/watch',
      title: 'where to go on is behind a revision that was read in part',
      edits: [
        {
          file: watch,
          find: 'return (oldest.changes[this.position]?.revision ?? 1) - 1',
          replace: 'return this.position > 0 ? (oldest.changes[this.position]?.revision ?? 1) : this.read',
        },
      ],
    },
    {
      id: 'M139',
      first: 'engine/client-watch',
      title: 'a client that goes on at a gateway that lags behind is told of the past again',
      edits: [
        { file: remoteWatches, find: 'watch.from ?? null]', replace: 'null]' },
        { file: remoteWatches, find: 'change.revision >= first', replace: 'change.revision >= 0 * first' },
      ],
    },
    {
      id: 'M140',
      title: 'a watch begins with a revision of which a part is forgotten',
      edits: [
        {
          file: history,
          find: 'if (revision < this.forgotten) return',
          replace: 'if (revision < this.forgotten - 1) return',
        },
      ],
    },
    {
      id: 'M142',
      title: 'a watcher whose past is gone is told so, and kept',
      edits: [
        {
          file: watchers,
          find: '      this.remove(watcher)\n      watcher.sink.end(compacted(',
          replace: '      watcher.sink.end(compacted(',
        },
      ],
    },
    {
      id: 'Q120',
      title: 'who watches a prefix that is a key hears nothing of that key',
      edits: [{ file: watchers, find: 'if (length <= key.length)', replace: 'if (length < key.length)' }],
    },
    {
      id: 'Q121',
      first: 'engine/remote-watches',
      title: 'a client takes the history of one gateway for that of all',
      edits: [
        {
          file: remoteWatches,
          find: '++watch.forgotten < this.gateways().length',
          replace: '++watch.forgotten < 0',
        },
      ],
    },
    {
      id: 'Q122',
      first: 'engine/remote-watches',
      title: 'a client asks the same gateway again and again for a past that it has forgotten',
      edits: [
        {
          file: remoteWatches,
          find: 'gateways[watch.failures % gateways.length]',
          replace: 'gateways[0]',
        },
      ],
    },
    {
      id: 'Q123',
      first: 'engine/client-watch',
      title: 'a client is told of what its own store wrote before, by a gateway that lags behind',
      edits: [
        {
          file: remoteWatches,
          find: 'const first = watch.from ?? watch.seen + 1',
          replace: 'const first = watch.from ?? 0',
        },
        {
          file: remoteWatches,
          find: 'Math.max(start, watch.seen + 1)',
          replace: 'start',
        },
        {
          file: remoteWatches,
          find: 'Math.max(watch.from ?? watch.seen + 1, revision + 1)',
          replace: 'Math.max(watch.from ?? 0, revision + 1)',
        },
      ],
    },
    {
      id: 'Q170',
      first: 'engine/client-watch',
      title: 'a gateway puts the largest revision into one frame with small ones before it',
      edits: [
        {
          file: gateway,
          find: 'if (whole > start && bytes > appendBytesMax)',
          replace: 'if (whole > start && bytesBefore > appendBytesMax)',
        },
      ],
    },
    {
      id: 'Q171',
      first: 'engine/remote-watches',
      title: 'what a client is told when its watch begins again counts as past, however late it was',
      edits: [
        {
          file: remoteWatches,
          find: 'watch.past ||= asNatural(past)',
          replace: 'watch.past = asNatural(past)',
        },
      ],
    },
    {
      id: 'Q172',
      first: 'engine/client-watch',
      title: 'a gateway that did not hear of the end of a watch is never told again',
      edits: [
        {
          file: remoteWatches,
          find: 'if (changes === null && error === null) unwatch(',
          replace: 'if (changes !== null && error !== null) unwatch(',
        },
      ],
    },
    {
      id: 'Q124',
      first: 'engine/watch',
      title: 'a reader that resyncs is told of an older state than it has read',
      edits: [{ file: watch, find: '.load(this.read, ', replace: '.load(0 * this.read, ' }],
    },
    {
      id: 'Q125',
      first: 'engine/watch',
      title: 'a client with nothing to hear of falls behind the history',
      edits: [
        { file: remoteWatches, find: '      else this.told(watch, asNatural(revision))\n', replace: '' },
      ],
    },
    {
      id: 'Q126',
      first: 'engine/live',
      title: 'a live view watches on when nobody listens any more',
      edits: [
        {
          file: live,
          find: 'if (this.listeners.size === 0)',
          replace: 'if (this.listeners.size < 0)',
        },
      ],
    },
    {
      id: 'Q127',
      first: 'engine/live',
      title: 'a live view changes what it has shown',
      edits: [
        {
          file: live,
          find: 'this.draft ??= [...entries]',
          replace: 'this.draft ??= entries as StoreEntry<Value>[]',
        },
      ],
    },
    {
      id: 'Q128',
      first: 'engine/live',
      title: 'a state that is read anew has other objects for the same entries',
      edits: [
        { file: live, find: 'known.modRevision === entry.modRevision', replace: 'known.modRevision < 0' },
      ],
    },
  ],
}

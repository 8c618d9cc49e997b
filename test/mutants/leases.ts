import { engineTests } from './areas.ts'
import type { Section } from './mutant.ts'

const builtIn = 'src/engine/recipes/built-in.ts'
const expiry = 'src/engine/replica/expiry.ts'
const follow = 'src/engine/recipes/follow.ts'
const gateway = 'src/engine/client/gateway.ts'
const groupClock = 'src/engine/replica/group-clock.ts'
const holding = 'src/engine/recipes/holding.ts'
const keeper = 'src/engine/store/lease-keeper.ts'
const keyspace = 'src/core/machine/keyspace.ts'
const leasesFile = 'src/core/machine/leases.ts'
const line = 'src/engine/recipes/line.ts'
const machine = 'src/core/machine/machine.ts'
const storeCalls = 'src/engine/store/store-calls.ts'

/** Leases, and what stands on them: locks, semaphores, elections, presence, queues. */
export const leases: Section = {
  name: 'leases',
  tests: [
    'test/machine/leases.test.ts',
    ...engineTests('leases', 'lease-keeper', 'locks', 'recipes', 'commands'),
  ],
  mutants: [
    {
      id: 'M125',
      first: 'engine/leases',
      title: 'a leader that was deposed and leads again counts the time in between by its own clock',
      edits: [
        {
          file: groupClock,
          find: 'if (this.term === term) return',
          replace: 'if (this.term !== 0) return (this.term = term), undefined',
        },
      ],
    },
    {
      id: 'M127',
      first: 'engine/commands',
      title: 'a new leader takes the time without one for time that leases had',
      edits: [
        { file: groupClock, find: '    this.since = this.clock.now()\n', replace: '    this.since = 0\n' },
      ],
    },
    {
      id: 'M128',
      first: 'engine/leases',
      title: 'what a leader did not log of time is lost: where leaders change often, no lease ends',
      edits: [
        {
          file: expiry,
          find: '>= leaseStampMsMin && now >= this.stampAt(machine)) return true\n',
          replace: '>= leaseStampMsMin && this.stampAt(machine) < 0) return true\n',
        },
      ],
    },
    {
      id: 'M128b',
      first: 'engine/leases',
      title: 'every change of leaders gives all leases their whole time again',
      edits: [
        {
          file: groupClock,
          find: '    this.base = time\n',
          replace: '    this.base = Math.max(0, time - 8000)\n',
        },
      ],
    },
    {
      id: 'M128c',
      first: 'engine/group-clock',
      title: 'a store that is closed and opened again on the leader takes back time that it told',
      edits: [{ file: groupClock, find: '    this.base += this.clock.now() - this.since\n', replace: '' }],
    },
    {
      id: 'M129',
      title: 'each replica ends leases by a clock of its own',
      edits: [
        {
          file: machine,
          find: 'this.keyspace.end(index, leases.overdue(group))',
          replace: 'this.keyspace.end(index, leases.overdue(Math.max(group, Date.now())))',
        },
      ],
    },
    {
      id: 'M129b',
      title: 'a replica that was restored ends no lease that others end',
      edits: [
        {
          file: leasesFile,
          find: 'private earliest = 0',
          replace: 'private earliest = Number.POSITIVE_INFINITY',
        },
      ],
    },
    {
      id: 'M131',
      first: 'engine/locks',
      title: 'who waited has the lock when the one before it is gone, whatever became of its own place',
      edits: [
        {
          file: line,
          find: "if (mine?.key !== key) throw new QuorateError('LEASE_LOST', 'the place in the line is lost')\n",
          replace: "if (mine === undefined && limit < 1) throw new QuorateError('LEASE_LOST', '')\n",
        },
      ],
    },
    {
      id: 'M131b',
      first: 'engine/locks',
      title: 'who waited has the lock when the one before it is gone, although that one only waited',
      edits: [
        {
          file: line,
          find: 'if (present.size < limit) break\n',
          replace: 'if (present.size < limit) return\n',
        },
      ],
    },
    {
      id: 'M131c',
      first: 'engine/locks',
      title: 'a lock is given out although its lease may be over by now',
      edits: [
        { file: line, find: 'if (held !== undefined) confirm(', replace: 'if (held === undefined) confirm(' },
      ],
    },
    {
      id: 'M132',
      first: 'engine/locks',
      title: 'a write is done although its fence does not hold',
      edits: [
        {
          file: machine,
          find: 'if (this.get(command.key)?.createRevision !== command.createRevision)',
          replace: 'if (command.createRevision > index)',
        },
      ],
    },
    {
      id: 'M132b',
      first: 'engine/commands',
      title: 'a fence holds as long as anybody has the key',
      edits: [
        {
          file: machine,
          find: 'if (this.get(command.key)?.createRevision !== command.createRevision)',
          replace: 'if (this.get(command.key) === undefined)',
        },
      ],
    },
    {
      id: 'K01',
      first: 'engine/locks',
      title: 'a holder does not hear that its key is gone before it keeps the lease alive',
      edits: [
        {
          file: line,
          find: "if (changes.some(change => change.type === 'delete')) lease.lost",
          replace: 'if (changes.length > 1) lease.lost',
        },
      ],
    },
    {
      id: 'K02',
      first: 'engine/locks',
      title: 'who gives up leaves its place behind',
      edits: [{ file: line, find: 'if (!isOver) lease.revoke().catch(() => {})', replace: '' }],
    },
    {
      id: 'K03',
      first: 'engine/recipes',
      title: 'a semaphore has one holder more than its limit',
      edits: [
        {
          file: builtIn,
          find: 'limit === null || ahead < limit',
          replace: 'limit === null || ahead <= limit',
        },
      ],
    },
    {
      id: 'K04',
      first: 'engine/recipes',
      title: 'a semaphore has as many limits as there are hosts',
      edits: [
        {
          file: builtIn,
          find: 'if (first !== undefined && first.value[1] !== limit)',
          replace: 'if (first !== undefined && first.value.length > 3)',
        },
      ],
    },
    {
      id: 'K05',
      first: 'engine/recipes',
      title: 'what happens between a read and the watch that follows it is not told',
      edits: [
        {
          file: follow,
          find: 'calls.backend.watch(bounds, from, {',
          replace: 'calls.backend.watch(bounds, from > 0 ? undefined : 1, {',
        },
      ],
    },
    {
      id: 'K06',
      first: 'engine/recipes',
      title: 'an item is given out although another one has it',
      edits: [{ file: builtIn, find: 'if (queue.has(claim)) continue\n', replace: '' }],
    },
    {
      id: 'K07',
      first: 'engine/recipes',
      title: 'saying something else keeps a place for ever',
      edits: [{ file: builtIn, find: '{ lease: entry.lease ?? 0 }', replace: '{ lease: 0 }' }],
    },
    {
      id: 'K08',
      first: 'engine/lease-keeper',
      title: 'a lease is held here longer than in the group: its time counts from the answer',
      edits: [
        {
          file: keeper,
          find: `      const gone = new Set(`,
          replace: `      now = this.calls.clock.now()
      const gone = new Set(`,
        },
      ],
    },
    {
      id: 'K09',
      first: 'engine/locks',
      title: 'who waits in a store that is closed is not told',
      edits: [
        { file: storeCalls, find: '    for (const ended of this.endings) ended(error)\n', replace: '' },
      ],
    },
    {
      id: 'K10',
      first: 'engine/locks',
      title: 'a function that outlived its lock passes for one that had it',
      edits: [
        {
          file: holding,
          find: 'if (held.signal.aborted && !held.isReleased)',
          replace: 'if (held.signal.aborted && held.isReleased)',
        },
      ],
    },
    {
      id: 'K11',
      title: 'keys do not go with their leases behind a snapshot',
      edits: [
        {
          file: leasesFile,
          find: 'if (leases.size > 0) for (const item of items) this.attach(item)',
          replace: 'if (leases.size < 0) for (const item of items) this.attach(item)',
        },
      ],
    },
    {
      id: 'K12',
      title: 'a key that is deleted stays with its lease, and takes its successor along',
      edits: [
        {
          file: keyspace,
          find: `    this.leases.follow(previous, null)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'K13',
      first: 'engine/recipes',
      title: 'who acknowledges an item that others have by now removes it for them',
      edits: [
        {
          file: 'src/engine/recipes/queue.ts',
          find: '{ ...options, fence: this }',
          replace: 'options',
        },
      ],
    },
    {
      id: 'K15',
      first: 'engine/locks',
      title: 'a client keeps a watch at a host that hears of nothing any more',
      edits: [{ file: gateway, find: '      if (!served.isConnected()) continue\n', replace: '' }],
    },
    {
      id: 'K14',
      first: 'engine/recipes',
      title: 'a follower of a range stands still where the history is gone',
      edits: [
        {
          file: follow,
          find: "if (!isAway && !isQuorateError(error, 'COMPACTED')) throw error",
          replace: 'throw error',
        },
      ],
    },
  ],
}

import { engineTests } from './areas.ts'
import type { Section } from './mutant.ts'

const appliedState = 'src/engine/replica/applied-state.ts'
const chain = 'src/core/machine/outcome-chain.ts'
const compaction = 'src/engine/replica/compaction.ts'
const comparison = 'src/engine/replica/comparison.ts'
const dialing = 'src/engine/host/dialing.ts'
const divergence = 'src/engine/replica/divergence.ts'
const machine = 'src/core/machine/machine.ts'
const notes = 'src/engine/replica/divergence-notes.ts'
const peerBook = 'src/engine/peers/peer-book.ts'
const questions = 'src/engine/replica/chain-questions.ts'
const registries = 'src/engine/host/registries.ts'
const replicas = 'src/engine/host/replicas.ts'
const resignation = 'src/engine/membership/resignation.ts'
const ring = 'src/core/machine/chain-ring.ts'
const runTxn = 'src/engine/transactions/run-txn.ts'
const verdict = 'src/core/machine/verdict.ts'

/** Commands and transactions that must do the same everywhere, and what finds out that they did not. */
export const commands: Section = {
  name: 'commands',
  tests: [
    ...['call', 'leases', 'sessions', 'machine', 'model'].map(name => `test/machine/${name}.test.ts`),
    ...engineTests('commands', 'txn', 'divergence', 'registries', 'compaction', 'session', 'proposals'),
  ],
  mutants: [
    {
      id: 'M115',
      first: 'machine/leases',
      title: 'sessions end by the clock of the host that applies',
      edits: [
        {
          file: machine,
          find: 'this.sessions.expire(group - sessionIdleMs - clockStampMs)',
          replace: 'this.sessions.expire(Date.now() - sessionIdleMs - clockStampMs)',
        },
      ],
    },
    {
      id: 'M119',
      first: 'engine/txn',
      title: 'what a transaction compares is not looked at where it is applied',
      edits: [
        {
          file: runTxn,
          find: 'every(compare => holds(tableOf(tx, compare), compare, look))',
          replace: 'every(compare => holds(tableOf(tx, compare), compare, look) || true)',
        },
      ],
    },
    {
      id: 'M120',
      first: 'machine/call',
      title: 'what a command wrote before it threw stays',
      edits: [
        {
          file: machine,
          find: '      return failed(error)\n',
          replace: '      this.keyspace.commit(transaction)\n      return failed(error)\n',
        },
      ],
    },
    {
      id: 'M121',
      first: 'engine/commands',
      title: 'each replica rolls dice of its own for a command',
      edits: [
        {
          file: machine,
          find: 'const random = seededRandom(finish(addNumber(addNumber(callSeed, index), now)))',
          replace: 'const random = Math.random',
        },
      ],
    },
    {
      id: 'M123',
      first: 'engine/txn',
      title: 'a comparison of the latest revision looks at how often the key was written',
      edits: [
        {
          file: runTxn,
          find: 'compares(item?.[name] ?? 0, test.is, expected)',
          replace: "compares(item?.[name === 'modRevision' ? 'version' : name] ?? 0, test.is, expected)",
        },
      ],
    },
    {
      id: 'D01',
      first: 'engine/divergence',
      title: 'what a command wrote does not count among what came of it',
      edits: [{ file: chain, find: 'crc32c(item.value)', replace: 'item.value.length * 0' }],
    },
    {
      id: 'D02',
      first: 'engine/divergence',
      title: 'where no quorum agrees, everybody serves',
      edits: [{ file: verdict, find: 'different.length > 1', replace: 'different.length < 1' }],
    },
    {
      id: 'D03',
      first: 'engine/divergence',
      title: 'one voter makes a state right',
      edits: [
        {
          file: verdict,
          find: 'id => chains.get(id) === chain) === ',
          replace: 'id => (chains.get(id) === chain ? true : undefined)) !== ',
        },
      ],
    },
    {
      id: 'D04',
      first: 'engine/divergence',
      title: 'a quarantine ends with the process',
      edits: [
        {
          file: notes,
          find: 'return bytes && noted(bytes)',
          replace: 'return bytes && undefined',
        },
      ],
    },
    {
      id: 'D05',
      first: 'engine/divergence',
      title: 'stale reads are answered in quarantine',
      edits: [
        {
          file: replicas,
          find: '        one.state.checkTrue()\n',
          replace: '',
        },
      ],
    },
    {
      id: 'D06',
      first: 'engine/divergence',
      title: 'the log up to the difference stays, and is applied by who joins anew',
      edits: [{ file: compaction, find: 'Math.min(snapshotIndex, keep.notBefore) + 1', replace: '0' }],
    },
    {
      id: 'D07',
      first: 'engine/divergence',
      title: 'who is in quarantine never campaigns, although nobody else has the log',
      edits: [{ file: resignation, find: 'this.ticks % asideEvery === 0', replace: 'this.ticks < 0' }],
    },
    {
      id: 'D08',
      first: 'engine/divergence',
      title: 'the revision behind the first difference is named',
      edits: [
        {
          file: ring,
          find: 'return { revision: index, isExact',
          replace: 'return { revision: index + 1, isExact',
        },
      ],
    },
    {
      id: 'D09',
      first: 'engine/divergence',
      title: 'who comes back is not compared again',
      edits: [
        {
          file: divergence,
          find: 'for (const comparison of this.comparisons.values()) comparison.repeat()\n  }',
          replace: '}',
        },
      ],
    },
    {
      id: 'D10',
      first: 'engine/divergence',
      title: 'a leader in quarantine does not hand over to who is right',
      edits: [
        {
          file: comparison,
          find: 'if (best !== undefined) node.transferLeadership(best.replica)',
          replace: 'if (best === undefined) node.transferLeadership(0)',
        },
      ],
    },
    {
      id: 'D11',
      first: 'engine/divergence',
      title: 'writes that wait go on waiting when their replica goes into quarantine',
      edits: [
        {
          file: appliedState,
          find: 'return this.isQuarantined && !isQuarantined',
          replace: 'return this.isQuarantined && isQuarantined',
        },
      ],
    },
    {
      id: 'D12',
      first: 'engine/divergence',
      title: 'replicas are compared at every tick',
      edits: [
        { file: comparison, find: 'const compareEveryMs = 1000', replace: 'const compareEveryMs = 50' },
      ],
    },
    {
      id: 'D13',
      first: 'engine/registries',
      title: 'names that only the other host has are not told',
      edits: [
        {
          file: registries,
          find: 'filter(name => !own.includes(name))',
          replace: 'filter(name => name === own[-1])',
        },
      ],
    },
    {
      id: 'D14',
      first: 'engine/registries',
      title: 'a host that has the same commands again is still said to differ',
      edits: [
        {
          file: registries,
          find: 'if (isSame) ofGroup.delete(hostId)\n',
          replace: 'if (isSame) ofGroup.get(hostId)\n',
        },
      ],
    },
    {
      id: 'D15',
      first: 'engine/divergence',
      title:
        'what a replica answered is forgotten when more has been applied, so that it cannot judge itself',
      edits: [
        {
          file: questions,
          find: 'const chain = chains.keep(index)',
          replace: 'const chain = chains.at(index)',
        },
      ],
    },
    {
      id: 'D16',
      first: 'engine/divergence',
      title: 'all wait for who never answers, although a quorum agrees',
      edits: [
        {
          file: comparison,
          find: '[...missing].every(one => this.mute.has(one))',
          replace: 'missing.size < 0',
        },
      ],
    },
    {
      id: 'D17',
      first: 'engine/divergence',
      title: 'under load everybody is held to be wrong as soon as no quorum agrees',
      edits: [{ file: comparison, find: ' || this.undecided > 0)', replace: ')' }],
    },
    {
      id: 'D18',
      first: 'engine/divergence',
      title: 'a client asks nobody why nobody serves',
      edits: [
        {
          file: peerBook,
          find: 'if (serving.length > 0) return serving',
          replace: 'if (serving.length >= 0) return serving',
        },
      ],
    },
    {
      id: 'D19',
      first: 'engine/divergence',
      title: 'a client leaves those that could say why nobody serves',
      edits: [
        {
          file: dialing,
          find: 'for (const host of silent.slice(0, dialsMax)) chosen.add(host)',
          replace: 'for (const host of silent.slice(dialsMax)) chosen.add(host)',
        },
      ],
    },
  ],
}

import { engineTests, machineTests } from './areas.ts'
import type { Section } from './mutant.ts'

const applyChange = 'src/engine/membership/apply-change.ts'
const backend = 'src/engine/store/replica-backend.ts'
const frames = 'src/engine/replica/replica-frames.ts'
const gateway = 'src/engine/client/gateway.ts'
const joining = 'src/engine/host/joining.ts'
const machine = 'src/core/machine/machine.ts'
const memberChanges = 'src/engine/membership/member-changes.ts'
const members = 'src/core/machine/members.ts'
const membersPlan = 'src/core/machine/members-plan.ts'
const proposals = 'src/engine/replica/proposals.ts'
const session = 'src/engine/calls/session.ts'
const sessions = 'src/core/machine/sessions.ts'

/** Mistakes that this code could have: sessions, proposals, members, joining, gateways. */
export const ownEngine: Section = {
  name: 'own-engine',
  tests: [
    ...machineTests,
    ...engineTests(
      'proposals',
      'requests',
      'client',
      'members',
      'store',
      'replica',
      'events',
      'witness',
      'groups',
      'overload',
      'waiting',
    ),
  ],
  mutants: [
    {
      id: 'Q01',
      first: 'engine/proposals',
      title: 'a write that was handed to a leader fails as if it had not been',
      edits: [
        {
          file: proposals,
          find: `    if (waiter.attempts > 0) {
      waiter.pending.reject(outcomeUnknown('the deadline`,
          replace: `    if (waiter.attempts > 1) {
      waiter.pending.reject(outcomeUnknown('the deadline`,
        },
      ],
    },
    {
      id: 'Q02',
      first: 'engine/proposals',
      title: 'a refusal of an earlier round takes back a later one',
      edits: [
        {
          file: proposals,
          find: 'waiter.sentTerm === 0 || waiter.round !== round) continue',
          replace: 'waiter.sentTerm === 0) continue',
        },
      ],
    },
    {
      id: 'Q03',
      first: 'engine/proposals',
      title: 'a write that is refused by a rule counts as never written, also when it was ' + 'tried before',
      edits: [
        {
          file: proposals,
          find: "const outcome = waiter.attempts === 0 ? 'none' : 'unknown'",
          replace: "const outcome = waiter.attempts >= 0 ? 'none' : 'unknown'",
        },
      ],
    },
    {
      id: 'Q04',
      first: 'engine/proposals',
      title: 'a change of leaders does not hand writes on again',
      edits: [
        {
          file: proposals,
          find: `    for (const waiter of this.all()) if (waiter.sentTerm !== 0) this.unsend(waiter)
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q05',
      first: 'engine/groups',
      title: 'writes that are closed were never written',
      edits: [
        {
          file: proposals,
          find: "waiter.pending.reject(error(waiter.attempts === 0 ? 'none' : 'unknown'))",
          replace: "waiter.pending.reject(error('none'))",
        },
      ],
    },
    {
      id: 'Q06',
      first: 'engine/proposals',
      title: 'a leader that is busy ends a write that an earlier leader may have logged',
      edits: [
        {
          file: proposals,
          find: `    if (waiter.attempts > 0) {
      this.unsent.push(waiter)
      return
    }
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q07',
      first: 'engine/session',
      title: 'a session acknowledges the highest number that is settled, not the last ' + 'without a gap',
      edits: [
        {
          file: session,
          find: 'if (seq !== this.acked + 1) {',
          replace: 'if (seq <= this.acked) {',
        },
      ],
    },
    {
      id: 'Q08',
      first: 'engine/session',
      title: 'a write in a session that was evicted is tried anew, however often it was ' + 'handed on',
      edits: [
        {
          file: session,
          find: "if (attempts > 1) throw outcomeUnknown('the session was evicted while",
          replace: "if (attempts < 0) throw outcomeUnknown('the session was evicted while",
        },
      ],
    },
    {
      id: 'Q09',
      first: 'engine/session',
      title: 'the window of a session has no end',
      edits: [
        {
          file: session,
          find: 'return sessionWindowMax - session.span - this.calledIn',
          replace: 'return sessionWindowMax',
        },
      ],
    },
    {
      id: 'Q10',
      title: 'replicas forget results that are not acknowledged, and apply the retry',
      edits: [
        {
          file: machine,
          find: `    if (seq <= session.floor) return unapplied({ type: 'stale' })
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q11',
      title: 'the least recently opened session is evicted, though it is in use',
      edits: [
        {
          file: sessions,
          find: `    session.usedAt = index
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q12',
      title: 'the floor of a session goes back',
      edits: [
        {
          file: sessions,
          find: `    if (floor <= this.floor) return
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q13',
      first: 'engine/store',
      title: 'a removed host is not noted before it acts on it',
      edits: [
        {
          file: joining,
          find: '    replicaHost.writer.add(group, { bootstrap: encodeBootstrap(bootstrap) ' + '}, () => {',
          replace: '    replicaHost.writer.add(group, {}, () => {',
        },
      ],
    },
    {
      id: 'Q14',
      first: 'engine/joining',
      title: 'a host starts its replica before its replica id is durable',
      edits: [
        {
          file: joining,
          find: '    await parts.storage.write({ groups: new Map([[group, { bootstrap }]]), values })\n',
          replace: '    parts.storage.write({ groups: new Map([[group, { bootstrap }]]), values })\n',
        },
      ],
    },
    {
      id: 'Q15',
      first: 'engine/groups',
      title: 'the founder that left its group founds it again',
      edits: [
        { file: joining, find: ' && !stored.values.has(leftValue(group))', replace: '' },
        {
          file: joining,
          find: '    if (founder() === parts.id && !isForgotten',
          replace: '    if (founder() === parts.id',
        },
      ],
    },
    {
      id: 'Q155',
      first: 'engine/full-group',
      title: 'a host that made room keeps what it had',
      edits: [
        { file: joining, find: '    await this.forget(group)\n', replace: '    this.out.delete(group)\n' },
      ],
    },
    {
      id: 'Q156',
      first: 'engine/full-group',
      title: 'a voter gives up what it has where somebody says that it made room',
      edits: [{ file: frames, find: ' && !mayCount(replica)', replace: '' }],
    },
    {
      id: 'Q158',
      first: 'engine/full-group',
      title: 'watches do not go on where the store works on another replica',
      edits: [{ file: backend, find: '    for (const goOn of [...this.moving]) goOn()\n', replace: '' }],
    },
    {
      id: 'Q159',
      first: 'engine/divergence',
      title: 'a quarantine is forgotten before the state is that it is of',
      edits: [
        {
          file: joining,
          find: 'values: new Map([[leftValue(group), new Uint8Array([1])]])',
          replace: 'values: new Map([[leftValue(group), new Uint8Array([1])], forgottenNote(group)])',
        },
      ],
    },
    {
      id: 'Q157',
      first: 'machine/members',
      title: 'a voter may be made to make room',
      edits: [{ file: members, find: ' || (delta.isEviction && !mayMakeRoom(member))', replace: '' }],
    },
    {
      id: 'Q16',
      first: 'engine/joining',
      title: 'a host asks the same member again and again to let it join',
      edits: [
        {
          file: joining,
          find: 'hosts[attempts++ % hosts.length]',
          replace: 'hosts[attempts % hosts.length]',
        },
      ],
    },
    {
      id: 'Q18',
      first: 'engine/client',
      title: 'a watch of a client that went goes on',
      edits: [
        {
          file: gateway,
          find: 'if (served.client === peer) served.stop()',
          replace: 'if (served.client === peer && served.count < 0) served.stop()',
        },
      ],
    },
    {
      id: 'Q19',
      first: 'engine/client',
      title: 'a past that is told in pieces lacks the first change of each',
      edits: [
        {
          file: gateway,
          find: '      start = whole\n',
          replace: '      start = whole + 1\n',
        },
      ],
    },
    {
      id: 'Q20',
      title: 'a delta that was planned on another table is applied',
      edits: [
        {
          file: members,
          find: `  if (delta.base !== members.revision) return 'refused'
`,
          replace: '',
        },
      ],
    },
    {
      id: 'Q21',
      first: 'engine/apply-change',
      title: 'what the table refuses changes the quorum all the same',
      edits: [
        {
          file: applyChange,
          find: "  return { result: 'refused', change: harmless }",
          replace:
            "  return { result: 'refused', change: harmless.steps.length > 1 ? harmless " + ': change }',
        },
      ],
    },
    {
      id: 'Q22',
      first: 'machine/members',
      title: 'an even number of voters is taken',
      edits: [
        {
          file: membersPlan,
          find: '  if (wanted.length % 2 === 0) {',
          replace: '  if (wanted.length < 0) {',
        },
        { file: members, find: 'voters.length % 2 === 1', replace: 'voters.length > 0' },
      ],
    },
    {
      id: 'Q23',
      first: 'engine/members',
      title: 'a learner that lags is promoted',
      edits: [
        {
          file: memberChanges,
          find: "if (next.type === 'change' && this.isCaughtUp(next)) {",
          replace: "if (next.type === 'change') {",
        },
      ],
    },
    {
      id: 'Q24',
      first: 'machine/members',
      title: 'the last voter that keeps values may be removed',
      edits: [
        {
          file: membersPlan,
          find: `  if (list.length === members.list.length) return notMember(host)
  if (!list.some(member => member.wanted === 'voter' && !member.witness)) return lastVoter(host)
`,
          replace: `  if (list.length === members.list.length) return notMember(host)
`,
        },
      ],
    },
    {
      id: 'Q25',
      first: 'engine/members',
      title: 'a change whose plan is older than the table is not noticed',
      edits: [
        {
          file: memberChanges,
          find: 'if (!hasLogged && expected !== undefined && revision !== expected) throw',
          replace: 'if (!hasLogged && expected !== undefined && revision < expected) throw',
        },
      ],
    },
    {
      id: 'Q26',
      first: 'engine/members',
      title: 'a voter is removed in one change, without being demoted before',
      edits: [
        {
          file: memberChanges,
          find: `    if (isVoter) await this.carryOut(demote, { expected })
`,
          replace: `    if (isVoter && expected === -1) await this.carryOut(demote, { expected })
`,
        },
      ],
    },
    {
      id: 'Q116',
      title: 'a leader that is demoted or removed hands nothing over',
      first: 'engine/members',
      edits: [
        {
          file: memberChanges,
          find: `isLeaving ? replica.resignation.successor() : undefined`,
          replace: `undefined`,
        },
      ],
    },
    {
      id: 'Q117',
      title: 'a request that nobody waits for keeps its place',
      first: 'engine/requests',
      edits: [
        {
          file: 'src/engine/host/leader-requests.ts',
          find: `      this.running -= 1
`,
          replace: ``,
        },
      ],
    },
    {
      id: 'Q118',
      title: 'a host that cannot inflate does not say so',
      first: 'engine/snapshots',
      edits: [
        {
          file: 'src/engine/snapshots/snapshots.ts',
          find: `const isPlain = this.parts.deflate === undefined`,
          replace: `const isPlain = false`,
        },
      ],
    },
    {
      id: 'Q119',
      title: 'an answer is taken before it was read',
      first: 'engine/requests',
      edits: [
        {
          file: 'src/engine/peers/requests.ts',
          find: `    if (asBoolean(fields[1])) asked.pending`,
          replace: `    this.asked.delete(id)
    if (asBoolean(fields[1])) asked.pending`,
        },
      ],
    },
  ],
}

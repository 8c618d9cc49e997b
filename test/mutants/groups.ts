import { engineTests } from './areas.ts'
import type { Section } from './mutant.ts'

const byteWriter = 'src/wire/byte-writer.ts'
const frames = 'src/wire/frames.ts'
const knownHosts = 'src/engine/peers/known-hosts.ts'
const loop = 'src/engine/host/loop.ts'
const running = 'src/engine/replica/running-replicas.ts'
const outgoingSnapshot = 'src/engine/snapshots/outgoing-snapshot.ts'
const quiescence = 'src/engine/replica/quiescence.ts'
const replica = 'src/engine/replica/replica.ts'
const snapshots = 'src/engine/snapshots/snapshots.ts'

export const groups: Section = {
  name: 'groups',
  tests: [
    ...engineTests(
      'loop',
      'quiescence',
      'pause',
      'groups',
      'hostile',
      'snapshots',
      'slow-peers',
      'large-numbers',
      'replica',
      'store',
    ),
    'test/wire/codec.test.ts',
    'test/wire/entry-codec.test.ts',
  ],
  mutants: [
    {
      id: 'M144',
      first: 'engine/hostile',
      title: 'frames of another deployment are taken',
      edits: [
        {
          file: frames,
          find: `  for (let i = 0; i < expected.length; i++) if (bytes[deploymentAt + i] !== expected[i])\
 return 'deployment'
`,
          replace: `  if (expected.length === 0) return 'deployment'
`,
        },
      ],
    },
    {
      id: 'M144b',
      first: 'engine/groups',
      title: 'a message goes to whichever replica the host has, whatever its group',
      edits: [
        {
          file: running,
          find: `    const replica = this.byGroup.get(group)
    if (replica`,
          replace: `    const replica = this.byGroup.get(group) ?? [...this.byGroup.values()][0]
    if (replica`,
        },
      ],
    },
    {
      id: 'M144c',
      first: 'engine/replica',
      title: 'a host may speak for the replica of another one',
      edits: [
        {
          file: knownHosts,
          find: 'return this.hosts.get(replica) === host',
          replace: 'return this.hosts.has(replica)',
        },
      ],
    },
    {
      id: 'M144d',
      first: 'engine/replica',
      title: 'a message for an earlier replica of the host is taken by its later one',
      edits: [
        {
          file: replica,
          find: 'return message.to === this.id && !this.isEnded',
          replace: 'return !this.isEnded',
        },
      ],
    },
    {
      id: 'M145',
      title: 'a group that sleeps does not hear when somebody calls it',
      edits: [
        {
          file: quiescence,
          find: `      case 'wake':
        this.rouse()
        this.stir()
        break
`,
          replace: `      case 'wake':
`,
        },
      ],
    },
    {
      id: 'M145b',
      title: 'calls of this host do not wake a group',
      edits: [
        {
          file: replica,
          find: `    if (this.quiescence.hasCalls()) this.quiescence.stirHere()
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M145c',
      title: 'the loss of a host does not wake those who slept behind it',
      edits: [
        {
          file: quiescence,
          find: `    const sleptTicks = this.sleptTicks()
    this.awaken()
`,
          replace: `    const sleptTicks = this.sleptTicks()
`,
        },
      ],
    },
    {
      id: 'Q60',
      title: 'a follower that lost its leader waits as long as if it had just heard it',
      edits: [
        {
          file: quiescence,
          find: `    if (sleptTicks !== undefined && !leads && !hostsHere().includes(host)) node.leaderLost(sleptTicks)
`,
          replace: '',
        },
      ],
      first: 'engine/quiescence',
    },
    {
      id: 'M145d',
      title: 'who wakes by himself does not tell the others',
      edits: [
        {
          file: quiescence,
          find: `    if (this.rouse() && this.parts.leader() !== this.parts.id) this.callOthers()
`,
          replace: `    this.rouse()
`,
        },
      ],
    },
    {
      id: 'M146',
      first: 'engine/snapshots',
      title: 'snapshots share the lane of heartbeats',
      edits: [
        {
          file: snapshots,
          find: "this.sender.send(to, 'bulk', 'snapshot',",
          replace: "this.sender.send(to, 'control', 'snapshot',",
        },
      ],
    },
    {
      id: 'M146b',
      first: 'engine/snapshots',
      title: 'a sender of a snapshot waits for nobody',
      edits: [
        {
          file: outgoingSnapshot,
          find: `        if (!(await this.storedUpTo(seq + 1 - snapshotWindowChunks))) return false
`,
          replace: '',
        },
      ],
    },
    {
      id: 'M147',
      first: 'engine/pause',
      title: 'missed ticks are lived through in one burst',
      edits: [
        {
          file: running,
          find: `    for (const replica of this.byGroup.values()) replica.paused(ticks)
`,
          replace: `    for (const replica of this.byGroup.values()) for (let i = 0; i < ticks; i++)\
 replica.tick(this.clock.now())
`,
        },
      ],
    },
    {
      id: 'M147b',
      first: 'engine/pause',
      title: 'a pause is not noticed',
      edits: [
        {
          file: loop,
          find: `    if (missed < 1) return
`,
          replace: `    if (missed >= 0) return
`,
        },
      ],
    },
    {
      id: 'M149',
      title: 'the timer of a loop that was stopped rings on',
      edits: [
        { file: loop, find: '    this.cancelTick()\n', replace: '' },
        {
          file: loop,
          find: `      if (this.isStopped) return
      this.isTickDue = true`,
          replace: '      this.isTickDue = true',
        },
      ],
    },
    {
      id: 'M149b',
      title: 'the timer of a wait that ended early is not cancelled',
      edits: [
        {
          file: 'src/engine/calls/condition.ts',
          find: '        cancel()\n',
          replace: '',
        },
      ],
    },
    {
      id: 'M150',
      title: 'an index is cut to 32 bits on the wire',
      edits: [
        {
          file: byteWriter,
          find: `    let rest = value
    while (rest >= 0x80000000) {`,
          replace: `    let rest = value >>> 0
    while (rest >= 0x80000000) {`,
        },
      ],
    },
  ],
}

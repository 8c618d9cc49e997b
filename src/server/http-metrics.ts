import { version } from '../base/version.ts'
import type { HostMetrics } from '../engine/metrics.ts'
import type { Reply } from './http-reply.ts'
import type { Served, ServedSignaling } from './served.ts'

type Labels = Readonly<Record<string, string>>

/** One line of a family: its labels and its value. */
type Sample = readonly [Labels, number]

/** Numbers that only grow; all others go up and down. */
const counters: ReadonlySet<string> = new Set([
  'turns',
  'pauses',
  'framesSent',
  'bytesSent',
  'framesReceived',
  'bytesReceived',
  'writes',
  'leaderChanges',
  'dropped',
  'signaling',
])

const help: Readonly<Record<string, string>> = {
  turns: 'Turns of the loop.',
  pauses: 'Gaps in the clock of an election timeout or more.',
  framesSent: 'Frames handed to the transport.',
  bytesSent: 'Bytes of these frames.',
  framesReceived: 'Frames taken in.',
  bytesReceived: 'Bytes of these frames.',
  writes: 'Writes to storage, each for all groups that had something to store.',
  peers: 'Connected hosts.',
  queuedBytes: 'Bytes that wait to be sent.',
  leads: '1 while this host leads the group.',
  asleep: '1 while the group is idle and sends nothing.',
  term: 'Raft term.',
  commit: 'Index of the last committed entry that this host knows of.',
  applied: 'Index of the last applied entry.',
  members: 'Members of the group.',
  keys: 'Keys of the store.',
  leaderChanges: 'Leaders that this host has heard of, each time anew.',
  dropped: 'Frames that were refused or dropped, by reason.',
  signaling: 'What the rendezvous counted, by name.',
  signalingHosts: 'Hosts that are connected to the rendezvous.',
}

/** `GET /metrics`: what this seed counts, in the text format of Prometheus. */
export function metricsReply(served: Served, signaling: ServedSignaling | undefined): Reply {
  const text = [
    '# HELP quorate_info The running version.\n# TYPE quorate_info gauge',
    `quorate_info${labelsText({ version })} 1`,
    ...(served.type === 'host' ? hostFamilies(served.host.metrics()) : []),
    ...(signaling === undefined ? [] : signalingFamilies(signaling)),
  ].join('\n')
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: `${text}\n`,
  }
}

function hostFamilies({ host, groups, dropped }: HostMetrics): string[] {
  const named = Object.entries(groups)
  const [first] = named
  const ofGroups = first === undefined ? [] : (Object.keys(first[1]) as (keyof (typeof first)[1])[])
  return [
    ...Object.entries(host).map(([name, value]) => family(name, [[{}, value]])),
    ...ofGroups.map(name =>
      family(
        name,
        named.map(([group, metrics]): Sample => [{ group }, metrics[name]]),
        'group_',
      ),
    ),
    family('dropped', byLabel('reason', dropped)),
  ]
}

function signalingFamilies(signaling: ServedSignaling): string[] {
  return [
    family('signalingHosts', [[{}, signaling.hosts().length]]),
    family('signaling', byLabel('what', signaling.counters())),
  ]
}

function byLabel(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => [{ [label]: name }, value])
}

function family(name: string, samples: readonly Sample[], prefix = ''): string {
  const isCounter = counters.has(name)
  const snake = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  const full = `quorate_${prefix}${snake}${isCounter ? '_total' : ''}`
  return [
    `# HELP ${full} ${help[name]}`,
    `# TYPE ${full} ${isCounter ? 'counter' : 'gauge'}`,
    ...samples.map(([labels, value]) => `${full}${labelsText(labels)} ${value}`),
  ].join('\n')
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, character => (character === '\n' ? '\\n' : `\\${character}`))
}

import { seededRandom } from '../../src/base/random.ts'
import { type ConfState, MemoryLog, type Message, RaftNode } from '../../src/core/raft/index.ts'

// How many entries three replicas in one thread commit and apply, with storage and network that cost nothing:
// the bound that the core itself sets. Every entry is proposed by itself, replicated, acknowledged and
// applied on all three.

export interface CoreMeasurement {
  readonly inFlight: number
  readonly entriesPerSecond: number
}

const inFlight = 256
const measureMs = 2000
const warmUpMs = 1000
const data = new Uint8Array(256)

interface Replica {
  readonly node: RaftNode
  readonly log: MemoryLog
  applied: number
}

function makeReplica(id: number, conf: ConfState): Replica {
  const log = new MemoryLog({ snapshot: { index: 1, term: 1, conf } })
  const node = new RaftNode({
    id,
    log,
    applied: 1,
    electionTicks: 10,
    heartbeatTicks: 1,
    random: seededRandom(id),
    asyncStorageWrites: true,
    preVote: true,
    checkQuorum: true,
    readOnly: 'safe',
    appendBytesMax: 256 * 1024,
    inflightMessagesMax: 64,
    inflightBytesMax: 8 * 1024 * 1024,
    uncommittedBytesMax: 64 * 1024 * 1024,
    committedBytesMax: 1024 * 1024,
    disableProposalForwarding: false,
    stepDownOnRemoval: true,
  })
  return { node, log, applied: 1 }
}

const voters = [1, 2, 3]
const conf: ConfState = { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }
const replicas = voters.map(id => makeReplica(id, conf))
const leader = replicas[0] as Replica
let mail: Message[] = []

function perform(replica: Replica): void {
  while (replica.node.hasReady()) {
    for (const message of replica.node.ready().messages) {
      if (message.type === 'MsgStorageAppend') {
        replica.log.append(message.entries)
        mail.push(...message.responses)
      } else if (message.type === 'MsgStorageApply') {
        replica.applied += message.entries.length
        mail.push(...message.responses)
      } else mail.push(message)
    }
  }
}

function settle(): void {
  do {
    for (const replica of replicas) perform(replica)
    const delivered = mail
    mail = []
    for (const message of delivered) replicas[message.to - 1]?.node.step(message)
  } while (mail.length > 0 || replicas.some(replica => replica.node.hasReady()))
}

function run(forMs: number): number {
  const start = performance.now()
  const before = leader.applied
  while (performance.now() - start < forMs) {
    for (let i = 0; i < inFlight; i++) leader.node.propose([data])
    settle()
    for (const replica of replicas) replica.log.compact(replica.applied - 1000)
  }
  return ((leader.applied - before) * 1000) / (performance.now() - start)
}

leader.node.campaign()
settle()
run(warmUpMs)
const entriesPerSecond = Math.round(run(measureMs))
const counts = replicas.map(({ applied, log }) => [applied, log.lastIndex()].join())
if (new Set(counts).size !== 1 || leader.applied < entriesPerSecond)
  throw new Error(`counts differ: ${counts}`)
process.send?.({ inFlight, entriesPerSecond } satisfies CoreMeasurement)

import type { Random } from '../../base/random.ts'
import type { Clock } from '../../clock/clock.ts'
import { appendBytesMax } from '../../core/limits.ts'
import type { Message } from '../../core/raft/message.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import type { Lane } from '../../transport/transport.ts'
import { type Beat, encodeBeats } from '../../wire/beat-codec.ts'
import { encodeRaftBody } from '../../wire/message-codec.ts'
import type { Sender } from '../peers/sender.ts'

/** Raft messages of one turn that go the same way. */
type Bundle = Map<GroupId, Message[]>

/** A MsgApp without entries: that more is committed, or a probe. */
interface News {
  readonly to: HostId
  readonly group: GroupId
  readonly message: Message
}

/**
 * How long news waits for entries to travel with. Under load they come at once, and half of all frames, with the turns
 * and answers they cause, are spared; when it is quiet, followers hear of a commit this much later.
 */
const newsMs = 1

/** Payload after which a frame is full. One message always passes. */
const framePayloadBytes = 1024 * 1024

/**
 * What the replicas of a host say to others. Raft messages are gathered over one turn, so that all groups of a pair of
 * hosts share a frame; proposals leave at once.
 */
export class Outbox {
  private readonly sender: Sender
  private readonly bundles: Record<'control' | 'log', Map<HostId, Bundle>> = {
    control: new Map(),
    log: new Map(),
  }
  /** What the heartbeats of this turn say: of each kind and group the last word, which says all that others said. */
  private beats = new Map<HostId, Map<string, Beat>>()
  private readonly clock: Clock
  /** Frames of proposals are numbered: see `ReplayGuard`. */
  private lastFrame: number
  private news = new Map<string, News>()

  constructor(sender: Sender, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.sender = sender
    this.clock = clock
    this.lastFrame = Math.floor(random() * 2 ** 45)
  }

  /**
   * Hands proposals to the leader's host, now. False when all of them were dropped at once: where any may have arrived,
   * nobody may say that nothing was handed on. A refusal names the round.
   */
  propose(to: HostId, group: GroupId, round: number, proposals: readonly Uint8Array[]): boolean {
    let isSent = false
    for (const batch of batches(proposals)) {
      this.lastFrame += 1
      isSent = this.sender.send(to, 'log', 'propose', [this.lastFrame, group, round, batch]) || isSent
    }
    return isSent
  }

  /** Queues a Raft message until the end of the turn; news of a commit a little longer. */
  raft(to: HostId, group: GroupId, message: Message): void {
    if (message.type !== 'MsgApp') return queue(this.bundles.control, to, group, message)
    const key = `${group} ${to}`
    if (message.entries.length > 0) {
      // It says all that the news said, and it comes after it.
      this.news.delete(key)
      return queue(this.bundles.log, to, group, message)
    }
    // Behind the turn that is due when the time is over: it may hold the entries that were waited for.
    if (this.news.size === 0) this.clock.after(newsMs, () => this.clock.soon(() => this.releaseNews()))
    this.news.set(key, { to, group, message })
  }

  /** Queues a heartbeat, or an answer to one, until the end of the turn: those of all groups share a frame. */
  beat(to: HostId, beat: Beat): void {
    const beats = this.beats.get(to) ?? new Map<string, Beat>()
    this.beats.set(to, beats)
    beats.set(`${beat.type} ${beat.group}`, beat)
  }

  /** Ends the turn. Heartbeats and votes first. */
  flush(): void {
    if (this.beats.size > 0) this.flushBeats()
    for (const lane of ['control', 'log'] as const) if (this.bundles[lane].size > 0) this.flushBundles(lane)
  }

  private flushBeats(): void {
    const { beats } = this
    this.beats = new Map()
    for (const [to, ofHost] of beats)
      this.sender.sendBody(to, 'control', 'beat', encodeBeats(ofHost.values()))
  }

  private flushBundles(lane: 'control' | 'log'): void {
    const bundles = this.bundles[lane]
    this.bundles[lane] = new Map()
    for (const [to, bundle] of bundles) this.flushBundle(to, lane, bundle)
  }

  private flushBundle(to: HostId, lane: Lane, bundle: Bundle): void {
    for (const part of frames(bundle)) this.sender.sendBody(to, lane, 'raft', encodeRaftBody(part))
  }

  private releaseNews(): void {
    const { news } = this
    this.news = new Map()
    for (const { to, group, message } of news.values()) queue(this.bundles.log, to, group, message)
    this.flush()
  }
}

// All appends of a peer share the log lane, with or without entries: one that overtakes another would be refused.
function queue(bundles: Map<HostId, Bundle>, to: HostId, group: GroupId, message: Message): void {
  let bundle = bundles.get(to)
  if (bundle === undefined) {
    bundle = new Map()
    bundles.set(to, bundle)
  }
  const messages = bundle.get(group)
  if (messages === undefined) bundle.set(group, [message])
  else messages.push(message)
}

/** The bundle in pieces that fit into frames, in order. */
function* frames(bundle: Bundle): Generator<Bundle> {
  let part: Bundle = new Map()
  let bytes = 0
  for (const [group, messages] of bundle) {
    for (const message of messages) {
      const payload = message.entries.bytes
      if (bytes > 0 && bytes + payload > framePayloadBytes) {
        yield part
        part = new Map()
        bytes = 0
      }
      bytes += payload
      const sameGroup = part.get(group)
      if (sameGroup === undefined) part.set(group, [message])
      else sameGroup.push(message)
    }
  }
  if (part.size > 0) yield part
}

/** Pieces of about `appendBytesMax`, at least one proposal each: a frame has a bound. */
function* batches(proposals: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const proposal of proposals) {
    if (batch.length > 0 && bytes + proposal.length > appendBytesMax) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(proposal)
    bytes += proposal.length
  }
  if (batch.length > 0) yield batch
}

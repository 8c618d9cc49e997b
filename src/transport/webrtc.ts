import SimplePeer, { type Instance, type Options, type SignalData } from 'simple-peer'
import { emptyBytes, plainBytes } from '../base/bytes.ts'
import { earlySignalsMax } from '../core/limits.ts'
import { decode, encode, MalformedError } from '../wire/codec.ts'
import { asArray, asNatural, asText } from '../wire/guards.ts'
import type { Counters } from './counters.ts'
import type { Channel, Link, LinkHandlers } from './link.ts'
import { bulkChannelId, controlChannelId, controlChannelName, drainedBelowBytes, type Rtc } from './rtc.ts'
import type { Session } from './session.ts'

export interface WebRtcOptions {
  readonly loadRtc: () => Promise<Rtc>
  /** None by default: no server that the user did not name is ever asked for anything. */
  readonly iceServers: readonly RTCIceServer[]
  readonly counters: Counters
}

/** Makes direct links. */
export class WebRtc {
  private readonly options: WebRtcOptions
  private loading: Promise<Rtc> | undefined

  constructor(options: WebRtcOptions) {
    this.options = options
  }

  makeLink(session: Session, handlers: LinkHandlers): Link {
    this.loading ??= this.options.loadRtc().catch(error => {
      // What could not be loaded now is tried again by the next link.
      this.loading = undefined
      throw error
    })
    return new WebRtcLink(this.options, session, handlers, this.loading)
  }
}

class WebRtcLink implements Link {
  readonly path = 'direct'
  candidate: string | undefined
  private readonly options: WebRtcOptions
  private readonly isInitiator: boolean
  private readonly handlers: LinkHandlers
  private peer: Instance | undefined
  private connection: RTCPeerConnection | undefined
  /** For what must be quick: without streams around it. */
  private control: RTCDataChannel | undefined
  private bulkBytes = 0
  private isClosed = false
  /** Signals that came before WebRTC was loaded. */
  private early: Uint8Array[] = []

  constructor(options: WebRtcOptions, session: Session, handlers: LinkHandlers, loading: Promise<Rtc>) {
    this.options = options
    this.isInitiator = session.isInitiator
    this.handlers = handlers
    loading.then(
      rtc => this.begin(rtc),
      error => this.fail(`no WebRTC: ${String(error)}`),
    )
  }

  send(channel: Channel, chunk: Uint8Array): void {
    if (this.isClosed || this.peer === undefined) return
    if (channel === 'control') {
      if (this.control?.readyState === 'open') this.control.send(chunk as Uint8Array<ArrayBuffer>)
      return
    }
    this.bulkBytes += chunk.length
    // simple-peer keeps the chunk until its channel has room, and calls back then.
    this.peer.write(chunk.slice(), () => {
      this.bulkBytes -= chunk.length
      if (!this.isClosed) this.handlers.drained()
    })
  }

  bufferedBytes(channel: Channel): number {
    return channel === 'control' ? (this.control?.bufferedAmount ?? 0) : this.bulkBytes
  }

  signal(body: Uint8Array): void {
    if (this.isClosed) return
    if (this.peer === undefined) {
      if (this.early.length < earlySignalsMax) this.early.push(body)
      else this.options.counters.add('signal-early')
      return
    }
    try {
      this.peer.signal(decodeSignal(body))
    } catch (error) {
      if (error instanceof MalformedError) this.options.counters.add('signal-malformed')
      // WebRTC refuses what does not fit its state, by a throw in Node: this link is over, and is dialled anew.
      else this.fail(`signal refused: ${String(error)}`)
    }
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.early = []
    this.peer?.destroy()
  }

  private fail(reason: string): void {
    if (this.isClosed) return
    this.close()
    this.handlers.closed(reason)
  }

  private begin(rtc: Rtc): void {
    if (this.isClosed) return
    const peer = new SimplePeer({
      initiator: this.isInitiator,
      objectMode: true,
      channelConfig: { negotiated: true, id: bulkChannelId },
      // Only matters where candidates are not sent one by one; simple-peer never clears the timer, which would keep
      // a process alive.
      iceCompleteTimeout: 1,
      config: { iceServers: [...this.options.iceServers] },
      wrtc: this.withControl(rtc) as object as NonNullable<Options['wrtc']>,
    })
    this.peer = peer
    // Listeners first: data can come before 'connect' does.
    peer.on('data', (data: Uint8Array | string) => {
      if (this.isClosed) return
      this.handlers.chunk('bulk', typeof data === 'string' ? emptyBytes : plainBytes(data))
    })
    peer.on('signal', data => {
      if (!this.isClosed) this.sendSignal(data)
    })
    peer.on('iceStateChange', state => {
      if (!this.isClosed && state === 'disconnected') this.handlers.doubted()
    })
    // A peer that closes well comes as an error, too, and then as the end: whichever is first is the reason.
    peer.on('error', error => this.fail(error.message))
    peer.on('close', () => this.fail('closed'))
    for (const body of this.early.splice(0)) this.signal(body)
  }

  /** simple-peer makes the connection itself; this is where it can be had before it is negotiated. */
  private withControl({ RTCPeerConnection, ...rest }: Rtc): Rtc {
    const link = this
    class ConnectionWithControl extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(configuration)
        link.connection = this
        this.addEventListener('datachannel', () => link.fail('a strange channel'))
        const init = { negotiated: true, id: controlChannelId }
        link.control = link.listen(this.createDataChannel(controlChannelName, init))
      }
    }
    return { RTCPeerConnection: ConnectionWithControl, ...rest }
  }

  private listen(control: RTCDataChannel): RTCDataChannel {
    control.binaryType = 'arraybuffer'
    control.bufferedAmountLowThreshold = drainedBelowBytes
    control.onopen = () => {
      if (!this.isClosed) this.open()
    }
    control.onmessage = ({ data }) => {
      if (this.isClosed) return
      // Hosts send bytes only; text is treated as the empty chunk, which is malformed to everybody.
      this.handlers.chunk('control', data instanceof ArrayBuffer ? new Uint8Array(data) : emptyBytes)
    }
    control.onbufferedamountlow = () => {
      if (!this.isClosed) this.handlers.drained()
    }
    control.onclose = () => this.fail('closed')
    return control
  }

  private open(): void {
    this.handlers.opened()
    void this.findCandidate()
  }

  private async findCandidate(): Promise<void> {
    const reports = new Map<string, Record<string, unknown>>()
    // A connection that closed meanwhile has no statistics, and needs none.
    const stats = await this.connection?.getStats().catch(() => undefined)
    stats?.forEach((report, id) => {
      reports.set(id, report)
    })
    const transport = [...reports.values()].find(report => report.type === 'transport')
    const pair = reports.get(String(transport?.selectedCandidatePairId))
    const local = reports.get(String(pair?.localCandidateId))
    if (typeof local?.candidateType === 'string') this.candidate = local.candidateType
  }

  private sendSignal(data: SignalData): void {
    switch (data.type) {
      case 'offer':
      case 'answer':
        this.handlers.signal(encode([data.type, data.sdp ?? '']))
        break
      case 'candidate': {
        const { candidate, sdpMid, sdpMLineIndex } = data.candidate
        this.handlers.signal(encode(['candidate', candidate ?? '', sdpMid ?? '', sdpMLineIndex ?? 0]))
        break
      }
      default:
        // Nothing is ever renegotiated: both channels are there from the start.
        this.options.counters.add('signal-unused')
    }
  }
}

/** Only what simple-peer shall do at a peer's wish: it would renegotiate or add media as well. */
function decodeSignal(body: Uint8Array): SignalData {
  const [type, ...fields] = asArray(decode(body), 1)
  const sdpCharactersMax = 16 * 1024
  switch (type) {
    case 'offer':
    case 'answer':
      return { type, sdp: asText(fields[0], sdpCharactersMax) }
    case 'candidate': {
      const candidate = asText(fields[0])
      const [sdpMid, sdpMLineIndex] = [asText(fields[1]), asNatural(fields[2])]
      return { type, candidate: { candidate, sdpMid, sdpMLineIndex } as RTCIceCandidate }
    }
    default:
      throw new MalformedError('signal: an unknown kind')
  }
}

import { type DataChannel, PeerConnection } from 'node-datachannel'
import { RTCIceCandidate, RTCPeerConnection, RTCSessionDescription } from 'node-datachannel/polyfill'
import type { Rtc } from './rtc.ts'

export interface NodeRtcOptions {
  /** Gathers candidates of this address only: 127.0.0.1 for what must not leave the machine. */
  readonly bindAddress?: string
}

/** For so long an offerer tries to reach the answerer before it says where it is. A busy machine needs some of it. */
const reticentMs = 100

/** WebRTC of Node, by libdatachannel. */
export async function loadNodeRtc(options: NodeRtcOptions = {}): Promise<Rtc> {
  class BoundConnection extends Connection {
    constructor(configuration: RTCConfiguration = {}) {
      super(configuration, options)
    }
  }
  return {
    RTCPeerConnection: BoundConnection as object as Rtc['RTCPeerConnection'],
    RTCSessionDescription: RTCSessionDescription as Rtc['RTCSessionDescription'],
    RTCIceCandidate: RTCIceCandidate as Rtc['RTCIceCandidate'],
  }
}

/**
 * A connection of libdatachannel 0.24.5, led around three places where it trips (test/transport/webrtc-node.test.ts):
 *
 * - It makes an offer as soon as it has a channel. Where both ends make their channels themselves both would offer, and
 *   both would choose the path; who yields (RFC 8445 §7.3.1.1) is settled by repeated checks, after half a second or
 *   more. So there are no channels before it is known who offers.
 * - An offerer that knows where the answerer is before it has noted its fingerprint may refuse its certificate.
 * - A DTLS client that begins before the server's end is up is not heard until it repeats itself, after a second. The
 *   answerer is the client (RFC 5763 §5), so the offerer has to find the path first.
 *
 * For the last two an offerer says where it is only after it has the answer and had time to try. An answerer that it
 * can reach learns its address from that (RFC 8445 §7.3.1.3).
 */
class Connection extends RTCPeerConnection {
  private readonly native: PeerConnection
  /** Makes the channels. Undefined once they can be made at once. */
  private unmade: (() => void)[] | undefined = []
  /** Candidates of this end that are kept back. Undefined once they are told at once. */
  private candidates: Event[] | undefined = []
  private answer = ''

  constructor(configuration: RTCConfiguration, { bindAddress }: NodeRtcOptions) {
    const native = new PeerConnection('quorate', {
      ...(bindAddress === undefined ? {} : { bindAddress }),
      iceServers: (configuration.iceServers ?? []).flatMap(iceServerUrls),
      iceTransportPolicy: configuration.iceTransportPolicy ?? 'all',
    })
    super({ ...configuration, iceServers: [], peerConnection: native } as RTCConfiguration)
    this.native = native
  }

  // simple-peer has no name for the channel of an answerer.
  override createDataChannel(name: string | null, init: RTCDataChannelInit = {}): never {
    const label = name ?? ''
    const channel = new Channel(label)
    const make = () => channel.open(this.native.createDataChannel(label, init))
    if (this.unmade === undefined) make()
    else this.unmade.push(make)
    return channel as never
  }

  // simple-peer writes to the `sdp` of what these two give, which the polyfill's descriptions do not allow.
  override async createOffer(): Promise<RTCSessionDescriptionInit> {
    this.makeChannels()
    await super.createOffer()
    return this.localDescription.toJSON()
  }

  override async createAnswer(): Promise<RTCSessionDescriptionInit> {
    await super.createAnswer()
    return this.localDescription.toJSON()
  }

  /** libdatachannel sets it before it gives it. */
  override async setLocalDescription({ type }: RTCSessionDescriptionInit): Promise<void> {
    if (type !== 'answer') return
    this.answer = this.localDescription.sdp
    this.candidates = undefined
  }

  override async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    await super.setRemoteDescription(description)
    this.makeChannels()
    if (description.type !== 'answer') return
    // A browser tells its candidates later, and under names that it alone can resolve: it has to reach us.
    if (description.sdp?.includes('a=candidate')) setTimeout(() => this.tellCandidates(), reticentMs).unref()
    else this.tellCandidates()
  }

  override get localDescription(): RTCSessionDescription {
    const { type, sdp } = super.localDescription
    if (type !== 'offer') return new RTCSessionDescription({ type, sdp })
    return new RTCSessionDescription({
      type,
      sdp: sdp.replace(/a=(candidate:|end-of-candidates).*\r\n/g, ''),
    })
  }

  override dispatchEvent(event: Event): boolean {
    if (event.type !== 'icecandidate') return super.dispatchEvent(event)
    const { candidate } = event as RTCPeerConnectionIceEvent
    // What was gathered before it is in the answer.
    if (candidate !== null && this.answer.includes(candidate.candidate)) return true
    if (this.candidates === undefined) return super.dispatchEvent(event)
    this.candidates.push(event)
    return true
  }

  private makeChannels(): void {
    const { unmade = [] } = this
    this.unmade = undefined
    for (const make of unmade) make()
  }

  private tellCandidates(): void {
    const { candidates = [] } = this
    this.candidates = undefined
    for (const event of candidates) this.dispatchEvent(event)
  }
}

/**
 * As much of a browser's channel as simple-peer and this library use, so that it can be had before it is made. The
 * polyfill's would make an event of each frame, too, which costs more than the frame.
 */
class Channel {
  readonly label: string
  binaryType = 'arraybuffer'
  bufferedAmountLowThreshold = 0
  readyState: RTCDataChannelState = 'connecting'
  onopen: (() => void) | null = null
  onmessage: ((event: { readonly data: string | ArrayBuffer }) => void) | null = null
  onbufferedamountlow: (() => void) | null = null
  onclose: (() => void) | null = null
  private native: DataChannel | undefined

  constructor(label: string) {
    this.label = label
  }

  open(native: DataChannel): void {
    this.native = native
    native.setBufferedAmountLowThreshold(this.bufferedAmountLowThreshold)
    native.onOpen(() => {
      this.readyState = 'open'
      this.onopen?.()
    })
    native.onMessage(message => this.onmessage?.({ data: asBrowsersHaveIt(message) }))
    native.onBufferedAmountLow(() => this.onbufferedamountlow?.())
    native.onClosed(() => {
      this.readyState = 'closed'
      this.onclose?.()
    })
  }

  get bufferedAmount(): number {
    return this.readyState === 'open' ? (this.native?.bufferedAmount() ?? 0) : 0
  }

  send(bytes: Uint8Array): void {
    try {
      // The result says whether it had to be buffered, not whether it was taken.
      if (this.readyState === 'open') this.native?.sendMessageBinary(bytes)
    } catch {
      // The other end closed it a moment ago: the news is under way, and `onclose` will be called.
    }
  }

  /**
   * The channel ends with its connection, and only so. libdatachannel closes the channels of a connection on a thread
   * of its own. A close() from here at that moment finds the channel marked as closed and drops it, with the callbacks
   * that the other thread is about to call: the news of the end is lost, and the native function that waits for it
   * keeps the process alive for ever (node-datachannel#349; test/transport/exit.test.ts). It must have an `id` from the
   * start: a channel that still waits for one is left out when its connection is closed.
   */
  close(): void {}
}

function asBrowsersHaveIt(message: string | Buffer | ArrayBuffer): string | ArrayBuffer {
  if (typeof message === 'string' || message instanceof ArrayBuffer) return message
  const { buffer, byteOffset, byteLength } = message
  const isWhole = byteLength === buffer.byteLength
  return (isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer
}

function iceServerUrls({ urls, username, credential }: RTCIceServer): string[] {
  return [urls].flat().map(url => {
    if (username === undefined || typeof credential !== 'string') return url
    const [scheme, rest] = url.split(/:(.*)/)
    return `${scheme}:${encodeURIComponent(username)}:${encodeURIComponent(credential)}@${rest}`
  })
}

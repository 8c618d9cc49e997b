import { type DataChannel, PeerConnection } from 'node-datachannel'
import { RTCIceCandidate, RTCPeerConnection, RTCSessionDescription } from 'node-datachannel/polyfill'
import { assert } from '../base/assert.ts'
import { emptyBytes, plainBytes } from '../base/bytes.ts'
import { controlChannelId, controlChannelName, drainedBelowBytes, type Rtc } from './rtc.ts'

export interface NodeRtcOptions {
  /** Gathers candidates of this address only: 127.0.0.1 for what must not leave the machine. */
  readonly bindAddress?: string
}

// The control channel is made on the native connection under the polyfill: events would cost more than the frames.
const natives = new WeakMap<object, PeerConnection>()

/** WebRTC of Node, by libdatachannel. */
export async function loadNodeRtc(options: NodeRtcOptions = {}): Promise<Rtc> {
  class Connection extends RTCPeerConnection {
    constructor(configuration: RTCConfiguration = {}) {
      const native = new PeerConnection('quorate', {
        ...(options.bindAddress === undefined ? {} : { bindAddress: options.bindAddress }),
        iceServers: (configuration.iceServers ?? []).flatMap(iceServerUrls),
        iceTransportPolicy: configuration.iceTransportPolicy ?? 'all',
      })
      super({ ...configuration, iceServers: [], peerConnection: native } as RTCConfiguration)
      natives.set(this, native)
    }

    /**
     * The channel ends with its connection, and only so. libdatachannel closes the channels of a connection on a
     * thread of its own. A close() from here at that moment finds the channel marked as closed and drops it, with the
     * callbacks that the other thread is about to call: the news of the end is lost, and the native function that
     * waits for it keeps the process alive for ever (node-datachannel#349; test/transport/exit.test.ts). It must have
     * an `id` from the start: a channel that still waits for one is left out when its connection is closed.
     */
    override createDataChannel(label: string | null, init: RTCDataChannelInit & { readonly id: number }) {
      const channel = super.createDataChannel(label ?? '', init)
      channel.close = () => undefined
      return channel
    }

    // simple-peer writes to the `sdp` of what these give, which the polyfill's descriptions do not allow.
    override async createOffer(): Promise<RTCSessionDescriptionInit> {
      const { type, sdp } = (await super.createOffer()) as RTCSessionDescriptionInit
      return sdp === undefined ? { type } : { type, sdp }
    }

    override async createAnswer(): Promise<RTCSessionDescriptionInit> {
      const { type, sdp } = (await super.createAnswer()) as RTCSessionDescriptionInit
      return sdp === undefined ? { type } : { type, sdp }
    }
  }
  return {
    RTCPeerConnection: Connection as unknown as Rtc['RTCPeerConnection'],
    RTCSessionDescription: RTCSessionDescription as Rtc['RTCSessionDescription'],
    RTCIceCandidate: RTCIceCandidate as Rtc['RTCIceCandidate'],
    openControl(connection, handlers) {
      const native = natives.get(connection)
      assert(native !== undefined, 'the connection was made here')
      const channel = native.createDataChannel(controlChannelName, { negotiated: true, id: controlChannelId })
      return controlChannel(channel, handlers)
    },
  }
}

function controlChannel(channel: DataChannel, handlers: Parameters<Rtc['openControl']>[1]) {
  let isOpen = false
  let isDetached = false
  channel.setBufferedAmountLowThreshold(drainedBelowBytes)
  channel.onOpen(() => {
    isOpen = true
    if (!isDetached) handlers.open()
  })
  channel.onMessage(message => {
    if (!isDetached) handlers.message(bytesOf(message))
  })
  channel.onBufferedAmountLow(() => {
    if (!isDetached) handlers.drained()
  })
  channel.onClosed(() => {
    isOpen = false
    if (!isDetached) handlers.closed()
  })
  return {
    get bufferedBytes() {
      return isOpen ? channel.bufferedAmount() : 0
    },
    send(bytes: Uint8Array) {
      if (!isOpen || isDetached) return false
      try {
        // The result says whether it had to be buffered, not whether it was taken.
        channel.sendMessageBinary(bytes)
        return true
      } catch {
        // The other end closed it a moment ago: the news is under way, and `closed` will be called.
        return false
      }
    },
    detach() {
      isDetached = true
    },
  }
}

/** Hosts send bytes only; text is treated as the empty chunk, which is malformed to everybody. */
function bytesOf(message: string | Buffer | ArrayBuffer): Uint8Array {
  if (typeof message === 'string') return emptyBytes
  return message instanceof ArrayBuffer ? new Uint8Array(message) : plainBytes(message)
}

function iceServerUrls({ urls, username, credential }: RTCIceServer): string[] {
  return [urls].flat().map(url => {
    if (username === undefined || typeof credential !== 'string') return url
    const [scheme, rest] = url.split(/:(.*)/)
    return `${scheme}:${encodeURIComponent(username)}:${encodeURIComponent(credential)}@${rest}`
  })
}

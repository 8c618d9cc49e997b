import { controlChannelId, controlChannelName, drainedBelowBytes, type Rtc } from './rtc.ts'

/** WebRTC of browsers. */
export async function loadBrowserRtc(): Promise<Rtc> {
  return {
    RTCPeerConnection,
    RTCSessionDescription,
    RTCIceCandidate,
    openControl(connection, handlers) {
      const channel = connection.createDataChannel(controlChannelName, {
        negotiated: true,
        id: controlChannelId,
      })
      channel.binaryType = 'arraybuffer'
      channel.bufferedAmountLowThreshold = drainedBelowBytes
      channel.onopen = () => handlers.open()
      channel.onmessage = ({ data }) => {
        // Hosts send bytes only; text is treated as the empty chunk, which is malformed to everybody.
        handlers.message(data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(0))
      }
      channel.onbufferedamountlow = () => handlers.drained()
      channel.onclose = () => handlers.closed()
      return {
        get bufferedBytes() {
          return channel.bufferedAmount
        },
        send(bytes) {
          if (channel.readyState !== 'open') return false
          channel.send(bytes as Uint8Array<ArrayBuffer>)
          return true
        },
        detach() {
          channel.onopen = channel.onmessage = channel.onbufferedamountlow = channel.onclose = null
        },
      }
    },
  }
}

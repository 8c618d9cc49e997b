import { channelBufferedBytesMax } from '../core/limits.ts'

/** WebRTC as an environment offers it: what simple-peer needs, and the channel that simple-peer does not know of. */
export interface Rtc {
  readonly RTCPeerConnection: new (configuration?: RTCConfiguration) => RTCPeerConnection
  readonly RTCSessionDescription: new (description: RTCSessionDescriptionInit) => RTCSessionDescription
  readonly RTCIceCandidate: new (candidate: RTCIceCandidateInit) => RTCIceCandidate
  /** Adds the control channel to a connection that has not been negotiated yet. */
  openControl(connection: RTCPeerConnection, handlers: ControlHandlers): ControlChannel
}

/** The channel for what must be quick: without streams around it. */
export interface ControlChannel {
  readonly bufferedBytes: number
  /** The bytes may be changed as soon as it returns. False when the channel is not open. */
  send(bytes: Uint8Array): boolean
  /** No handler is called any more. The channel itself ends with its connection. */
  detach(): void
}

export interface ControlHandlers {
  open(): void
  message(bytes: Uint8Array): void
  drained(): void
  closed(): void
}

/** Both ends make both channels themselves, under numbers known beforehand (RFC 8831 §6.5); no other is expected. */
export const controlChannelId = 100
export const bulkChannelId = 101
export const controlChannelName = 'ctl'

/** Below this a channel says that it drained: half of what an outbox lets wait, so that it never runs dry. */
export const drainedBelowBytes = channelBufferedBytesMax / 2

import { channelBufferedBytesMax } from '../core/limits.ts'

/** WebRTC as an environment offers it: what simple-peer needs. */
export interface Rtc {
  readonly RTCPeerConnection: new (configuration?: RTCConfiguration) => RTCPeerConnection
  readonly RTCSessionDescription: new (description: RTCSessionDescriptionInit) => RTCSessionDescription
  readonly RTCIceCandidate: new (candidate: RTCIceCandidateInit) => RTCIceCandidate
}

/** Both ends make both channels themselves, under numbers known beforehand (RFC 8831 §6.5); no other is expected. */
export const controlChannelId = 100
export const bulkChannelId = 101
export const controlChannelName = 'ctl'

/** Below this a channel says that it drained: half of what an outbox lets wait, so that it never runs dry. */
export const drainedBelowBytes = channelBufferedBytesMax / 2

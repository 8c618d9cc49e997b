import type { Rtc } from './rtc.ts'

/** WebRTC of browsers. */
export async function loadBrowserRtc(): Promise<Rtc> {
  return { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate }
}

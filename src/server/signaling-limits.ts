/** Bounds of a signaling server, so that no client can take more than its share. */
export interface SignalingLimits {
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  readonly authenticationMs: number
  readonly silenceMs: number
  readonly messagesPerSecond: number
  readonly messagesBurst: number
  readonly bytesPerSecond: number
  readonly bytesBurst: number
  readonly bufferedBytesMax: number
}

export const defaultSignalingLimits: SignalingLimits = {
  connectionsMax: 4096,
  // A whole office or class room may stand behind one address.
  connectionsPerAddressMax: 256,
  authenticationMs: 10_000,
  // Hosts ask every 15 seconds whether the seed is there; hidden tabs are allowed to be late.
  silenceMs: 90_000,
  // Relayed chunks count as well: a host that cannot connect directly moves its snapshots this way.
  messagesPerSecond: 2_000,
  messagesBurst: 4_000,
  bytesPerSecond: 8 * 1024 * 1024,
  bytesBurst: 16 * 1024 * 1024,
  // A consumer that is this far behind is gone or will never catch up.
  bufferedBytesMax: 8 * 1024 * 1024,
}

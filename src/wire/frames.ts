import type { DeploymentId } from '../core/types.ts'
import { MalformedError } from './codec.ts'

// A frame is what one host sends to another, whole:
//
//   byte  0      version of the protocol
//         1      kind
//         2..3   zero
//         4..19  the deployment, as 16 raw bytes
//        20..    body
//
// No checksum: what carries a frame authenticates every byte of it already, DTLS on a data channel and AES-GCM on the
// way over a seed, and that is what the contract of the transport asks for. A sum of ours would walk over each entry
// once more at either end, and find what was damaged in memory between two layers of one process, if anything.
//
// The deployment stands in every frame and not in the hello alone: a browser profile that was copied, or a seed that
// was founded anew under the same name, must not be able to mix two histories (trap: mutant M144).

export const protocolVersion = 2
const deploymentAt = 4
export const frameHeaderBytes = 20

export type FrameKind =
  | 'hello'
  | 'raft'
  | 'propose'
  | 'refuse'
  | 'request'
  | 'response'
  | 'event'
  | 'snapshot'
  | 'snapshot-ack'
  | 'removed'
  | 'beat'

const kinds: readonly FrameKind[] = [
  'hello',
  'raft',
  'propose',
  'refuse',
  'request',
  'response',
  'event',
  'snapshot',
  'snapshot-ack',
  'removed',
  'beat',
]

export interface Frame {
  readonly kind: FrameKind
  /** Shares the memory of the frame. */
  readonly body: Uint8Array
}

/** Why a frame is refused, as it is counted. */
export type FrameFault = 'malformed' | 'version' | 'deployment'

export function encodeFrame(
  deployment: DeploymentId,
  kind: FrameKind,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(frameHeaderBytes + body.length)
  frame[0] = protocolVersion
  frame[1] = kinds.indexOf(kind)
  frame.set(deploymentBytes(deployment), deploymentAt)
  frame.set(body, frameHeaderBytes)
  return frame
}

/** The frame, or why it is refused. Never throws: whatever a peer sends is a value here. */
export function decodeFrame(deployment: DeploymentId, bytes: Uint8Array): Frame | FrameFault {
  if (bytes.length < frameHeaderBytes) return 'malformed'
  if (bytes[0] !== protocolVersion) return 'version'
  const expected = deploymentBytes(deployment)
  for (let i = 0; i < expected.length; i++) if (bytes[deploymentAt + i] !== expected[i]) return 'deployment'
  const kind = kinds[bytes[1] ?? kinds.length]
  if (kind === undefined || bytes[2] !== 0 || bytes[3] !== 0) return 'malformed'
  return { kind, body: bytes.subarray(frameHeaderBytes) }
}

/** A deployment is written as 32 hexadecimal digits. */
export function isDeploymentId(text: unknown): text is DeploymentId {
  return typeof text === 'string' && /^[0-9a-f]{32}$/.test(text)
}

/** Throws MalformedError where it is none. */
export function asDeploymentId(value: unknown): DeploymentId {
  if (!isDeploymentId(value)) throw new MalformedError('a deployment has 32 hexadecimal digits')
  return value
}

let lastDeployment: DeploymentId = ''
let lastBytes = new Uint8Array(16)

// A process has one deployment but for tests, so the last one parsed is nearly always the one asked for.
function deploymentBytes(deployment: DeploymentId): Uint8Array {
  if (deployment === lastDeployment) return lastBytes
  lastDeployment = asDeploymentId(deployment)
  lastBytes = new Uint8Array(16)
  for (let i = 0; i < 16; i++) lastBytes[i] = Number.parseInt(deployment.slice(2 * i, 2 * i + 2), 16)
  return lastBytes
}

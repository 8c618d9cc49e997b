import { concatBytes } from '../base/bytes.ts'
import type { DeploymentId, HostId } from '../core/types.ts'
import { decode, encode, MalformedError } from '../wire/codec.ts'
import { asDeploymentId } from '../wire/frames.ts'
import { asArray, asBytes, asNatural, asOneOf, asText } from '../wire/guards.ts'
import { hostIdCharacters, isHostId } from './identity.ts'
import { text } from './secret.ts'
import type { Grant } from './transport.ts'

// What a host and a seed say to each other over the WebSocket at `signalingPath`.
//
//   seed: challenge → host: authenticate → seed: welcome (or refused, and the end)
//
// then at any time: joined, left, envelope, found/granted, belong/granted, ping/pong, and relayed bytes. A message is
// an array that starts with the number of its type. Relayed bytes are no message: 0xc1 (which MessagePack never uses),
// the other host's name, the payload. A seed forwards them by writing the sender's name where the receiver's stood.

export const signalingPath = '/v1/signal'

/** Largest message on the WebSocket, in either direction. */
export const socketMessageBytesMax = 64 * 1024

/** Bytes that a relayed chunk grows by: the marker and the name. */
export const relayHeaderBytes = 1 + hostIdCharacters

export interface Authentication {
  readonly type: 'authenticate'
  readonly cluster: string
  readonly hostId: HostId
  readonly publicKey: Uint8Array
  /** The host's own challenge to the seed. */
  readonly nonce: Uint8Array
  /** HMAC over `admissionText('host', …)`: knows the secret. */
  readonly proof: Uint8Array
  /** Signature over the same: owns the HostId. */
  readonly signature: Uint8Array
}

export type HostMessage =
  | Authentication
  | { readonly type: 'found'; readonly request: number; readonly proposed: DeploymentId | undefined }
  | { readonly type: 'envelope'; readonly to: HostId; readonly body: Uint8Array }
  | { readonly type: 'ping' }
  | ({ readonly type: 'belong' } & Grant)

export type RefusalCode = 'UNAUTHORIZED' | 'WRONG_CLUSTER' | 'SYSTEM_BUSY'

export type SeedMessage =
  | { readonly type: 'challenge'; readonly nonce: Uint8Array }
  | { readonly type: 'welcome'; readonly proof: Uint8Array; readonly present: readonly HostId[] }
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly message: string }
  | { readonly type: 'joined'; readonly hostId: HostId }
  | { readonly type: 'left'; readonly hostId: HostId }
  | { readonly type: 'envelope'; readonly from: HostId; readonly body: Uint8Array }
  | ({ readonly type: 'granted'; readonly request: number } & Grant)
  | { readonly type: 'pong' }

const hostTypes = ['authenticate', 'found', 'envelope', 'ping', 'belong'] as const
const seedTypes = [
  'challenge',
  'welcome',
  'refused',
  'joined',
  'left',
  'envelope',
  'granted',
  'pong',
] as const
const refusalCodes: readonly RefusalCode[] = ['UNAUTHORIZED', 'WRONG_CLUSTER', 'SYSTEM_BUSY']

/** What is proved when a host is admitted: bound to both challenges, the name and the side, so that no replay helps. */
export function admissionText(
  side: 'host' | 'seed',
  of: {
    readonly cluster: string
    readonly hostId: HostId
    readonly seedNonce: Uint8Array
    readonly nonce: Uint8Array
  },
): Uint8Array {
  return concatBytes([
    text('quorate/1 admission\n'),
    encode([side, of.cluster, of.hostId, of.seedNonce, of.nonce]),
  ])
}

export function encodeHostMessage(message: HostMessage): Uint8Array {
  const type = hostTypes.indexOf(message.type)
  switch (message.type) {
    case 'authenticate': {
      const { cluster, hostId, publicKey, nonce, proof, signature } = message
      return encode([type, cluster, hostId, publicKey, nonce, proof, signature])
    }
    case 'found':
      return encode([type, message.request, message.proposed ?? ''])
    case 'envelope':
      return encode([type, message.to, message.body])
    case 'ping':
      return encode([type])
    case 'belong':
      return encode([type, message.founder, message.deployment])
  }
}

/** Throws MalformedError on anything else. */
export function decodeHostMessage(bytes: Uint8Array): HostMessage {
  const [first, ...fields] = asArray(decode(bytes), 1)
  const type = asOneOf(first, hostTypes)
  switch (type) {
    case 'authenticate':
      return {
        type,
        cluster: asText(fields[0]),
        hostId: asHostId(fields[1]),
        publicKey: asBytes(fields[2]),
        nonce: asBytes(fields[3]),
        proof: asBytes(fields[4]),
        signature: asBytes(fields[5]),
      }
    case 'found':
      // An empty proposal is none: such a host only wants to know.
      return {
        type,
        request: asNatural(fields[0]),
        proposed: fields[1] === '' ? undefined : asDeploymentId(fields[1]),
      }
    case 'envelope':
      return { type, to: asHostId(fields[0]), body: asBytes(fields[1]) }
    case 'ping':
      return { type }
    case 'belong':
      return { type, ...asGrant(fields) }
  }
}

export function encodeSeedMessage(message: SeedMessage): Uint8Array {
  const type = seedTypes.indexOf(message.type)
  switch (message.type) {
    case 'challenge':
      return encode([type, message.nonce])
    case 'welcome':
      return encode([type, message.proof, message.present])
    case 'refused':
      return encode([type, refusalCodes.indexOf(message.code), message.message])
    case 'joined':
    case 'left':
      return encode([type, message.hostId])
    case 'envelope':
      return encode([type, message.from, message.body])
    case 'granted':
      return encode([type, message.request, message.founder, message.deployment])
    case 'pong':
      return encode([type])
  }
}

/** Throws MalformedError on anything else. */
export function decodeSeedMessage(bytes: Uint8Array): SeedMessage {
  const [first, ...fields] = asArray(decode(bytes), 1)
  const type = asOneOf(first, seedTypes)
  switch (type) {
    case 'challenge':
      return { type, nonce: asBytes(fields[0]) }
    case 'welcome':
      return { type, proof: asBytes(fields[0]), present: asArray(fields[1]).map(asHostId) }
    case 'refused':
      return { type, code: asOneOf(fields[0], refusalCodes), message: asText(fields[1]) }
    case 'joined':
    case 'left':
      return { type, hostId: asHostId(fields[0]) }
    case 'envelope':
      return { type, from: asHostId(fields[0]), body: asBytes(fields[1]) }
    case 'granted':
      return { type, request: asNatural(fields[0]), ...asGrant(fields.slice(1)) }
    case 'pong':
      return { type }
  }
}

const relayMarker = 0xc1

export function encodeRelayed(hostId: HostId, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(relayHeaderBytes + payload.length)
  addressRelayed(bytes, hostId)
  bytes.set(payload, relayHeaderBytes)
  return bytes
}

/** Writes the name of the other host into relayed bytes, in place. */
export function addressRelayed(bytes: Uint8Array, hostId: HostId): void {
  bytes[0] = relayMarker
  for (let i = 0; i < hostIdCharacters; i++) bytes[1 + i] = hostId.charCodeAt(i)
}

export function isRelayed(bytes: Uint8Array): boolean {
  return bytes[0] === relayMarker
}

export function addressOfRelayed(bytes: Uint8Array): HostId {
  if (bytes.length < relayHeaderBytes) throw new MalformedError('relayed bytes: cut short')
  return asHostId(String.fromCharCode(...bytes.subarray(1, relayHeaderBytes)))
}

export function payloadOfRelayed(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(relayHeaderBytes)
}

/** A name that is none would be recorded for good, and sent to hosts that could never speak under it. */
export function asGrant([founder, deployment]: readonly unknown[]): Grant {
  return { founder: asHostId(founder), deployment: asDeploymentId(deployment) }
}

function asHostId(value: unknown): HostId {
  const hostId = asText(value, hostIdCharacters)
  if (!isHostId(hostId)) throw new MalformedError('a host id was expected')
  return hostId
}

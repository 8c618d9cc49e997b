import { concatBytes } from '../base/bytes.ts'
import type { HostId } from '../core/types.ts'
import { decode, encode, MalformedError } from '../wire/codec.ts'
import { asArray, asBytes, asOneOf, asText } from '../wire/guards.ts'
import { type Identity, verifierOf } from './identity.ts'
import { type ClusterKeys, text } from './secret.ts'

/**
 * What two hosts say to each other by way of a seed before they have a link of their own. The seed only carries it:
 * every envelope is signed with the sender's key, which binds all of it (an SDP with its DTLS fingerprint, say) to the
 * sender's HostId, and bears an HMAC under the cluster's secret, so that a seed cannot smuggle a stranger in.
 *
 * Freshness is not the envelope's business but the handshake's: a session is named by both hosts' random numbers.
 */
export interface Envelope {
  readonly from: HostId
  readonly to: HostId
  readonly kind: EnvelopeKind
  /** Names the attempt to connect that this belongs to. */
  readonly session: string
  readonly body: Uint8Array
}

const kinds = ['call', 'hello', 'welcome', 'ready', 'signal'] as const
export type EnvelopeKind = (typeof kinds)[number]

/** A session description with every candidate fits in a few kilobytes. */
export const envelopeBytesMax = 32 * 1024

const version = 1
const domain = text('quorate/1 envelope\n')

export class EnvelopeSealer {
  private readonly identity: Identity
  private readonly keys: ClusterKeys

  constructor(identity: Identity, keys: ClusterKeys) {
    this.identity = identity
    this.keys = keys
  }

  async seal(to: HostId, kind: EnvelopeKind, session: string, body: Uint8Array): Promise<Uint8Array> {
    const { hostId, publicKey } = this.identity
    const fields = [version, this.keys.cluster, hostId, to, publicKey, kinds.indexOf(kind), session, body]
    const content = encode(fields)
    const signed = concatBytes([domain, content])
    return encode([content, await this.identity.sign(signed), await this.keys.envelope.mac(signed)])
  }

  /** Throws MalformedError on whatever is not an envelope for this host from a host of the cluster. */
  async open(bytes: Uint8Array): Promise<Envelope> {
    if (bytes.length > envelopeBytesMax) throw new MalformedError('envelope: too large')
    const outer = asArray(decode(bytes), 3)
    const [content, signature, mac] = [asBytes(outer[0]), asBytes(outer[1]), asBytes(outer[2])]
    const signed = concatBytes([domain, content])
    // The cheap proof first: a stranger must not make us verify signatures.
    if (!(await this.keys.envelope.verify(mac, signed)))
      throw new MalformedError('envelope: secret unknown to the sender')
    const fields = asArray(decode(content), 8)
    if (fields[0] !== version) throw new MalformedError('envelope: other version')
    if (fields[1] !== this.keys.cluster) throw new MalformedError('envelope: other cluster')
    const from = asText(fields[2])
    const to = asText(fields[3])
    if (to !== this.identity.hostId) throw new MalformedError('envelope: not for this host')
    const verifier = await verifierOf(asBytes(fields[4]))
    if (verifier.hostId !== from) throw new MalformedError('envelope: the name does not match the key')
    if (!(await verifier.verify(signature, signed))) throw new MalformedError('envelope: wrong signature')
    return { from, to, kind: asOneOf(fields[5], kinds), session: asText(fields[6]), body: asBytes(fields[7]) }
  }
}

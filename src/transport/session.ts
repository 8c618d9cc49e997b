import { concatBytes, toHex } from '../base/bytes.ts'
import type { HostId } from '../core/types.ts'
import { MalformedError } from '../wire/codec.ts'
import { source } from './identity.ts'
import { randomBytes, text } from './secret.ts'

/** What one host contributes to a session: a random number, and one half of an ephemeral key agreement. */
export interface Offering {
  readonly nonce: Uint8Array
  readonly publicKey: Uint8Array
}

/** An offering and the private half of it. */
export interface OwnOffering extends Offering {
  readonly privateKey: CryptoKey
}

/** What two hosts agreed on: a name that neither could choose alone, and keys that die with the session. */
export interface Session {
  readonly id: string
  readonly peer: HostId
  /** This host is the one with the smaller HostId, which initiates. */
  readonly isInitiator: boolean
  readonly seal: SealKey
  readonly open: SealKey
}

/** AES-256-GCM for one direction of one session. A counter never comes twice under one key (NIST SP 800-38D §8). */
export interface SealKey {
  seal(counter: number, plain: Uint8Array): Promise<Uint8Array>
  /** Throws MalformedError when the bytes were not sealed under this key and counter. */
  open(counter: number, sealed: Uint8Array): Promise<Uint8Array>
}

export const nonceBytes = 16
const publicKeyBytes = 65
const agreement = { name: 'ECDH', namedCurve: 'P-256' }

export async function makeOffering(): Promise<OwnOffering> {
  const keys = await crypto.subtle.generateKey(agreement, false, ['deriveBits'])
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey))
  return { nonce: randomBytes(nonceBytes), publicKey, privateKey: keys.privateKey }
}

/** Both hosts come to the same session. The offerings came in signed envelopes, which proves whose they are. */
export async function agree(options: {
  readonly self: HostId
  readonly peer: HostId
  readonly own: OwnOffering
  readonly theirs: Offering
}): Promise<Session> {
  const { self, peer, own, theirs } = options
  if (theirs.nonce.length !== nonceBytes || theirs.publicKey.length !== publicKeyBytes) {
    throw new MalformedError('handshake: no offering')
  }
  const isInitiator = self < peer
  const [first, second] = isInitiator ? [own, theirs] : [theirs, own]
  const transcript = concatBytes([first.nonce, second.nonce, first.publicKey, second.publicKey])
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', transcript))
  const material = await crypto.subtle.importKey('raw', await sharedSecret(own, theirs), 'HKDF', false, [
    'deriveKey',
  ])
  const derive = async (from: HostId): Promise<SealKey> =>
    sealKey(
      await crypto.subtle.deriveKey(
        { name: 'HKDF', hash: 'SHA-256', salt: digest, info: text(`quorate/1 relay from ${from}`) },
        material,
        { name: 'AES-GCM', length: 256 },
        false,
        ['encrypt', 'decrypt'],
      ),
    )
  const id = toHex(digest.subarray(0, nonceBytes))
  return { id, peer, isInitiator, seal: await derive(self), open: await derive(peer) }
}

async function sharedSecret(own: OwnOffering, theirs: Offering): Promise<ArrayBuffer> {
  try {
    const theirKey = await crypto.subtle.importKey('raw', source(theirs.publicKey), agreement, false, [])
    return await crypto.subtle.deriveBits({ name: 'ECDH', public: theirKey }, own.privateKey, 256)
  } catch (error) {
    throw new MalformedError('handshake: no public key', { cause: error })
  }
}

function sealKey(key: CryptoKey): SealKey {
  return {
    async seal(counter, plain) {
      return new Uint8Array(
        await crypto.subtle.encrypt({ name: 'AES-GCM', iv: vector(counter) }, key, source(plain)),
      )
    },
    async open(counter, sealed) {
      try {
        const plain = crypto.subtle.decrypt({ name: 'AES-GCM', iv: vector(counter) }, key, source(sealed))
        return new Uint8Array(await plain)
      } catch (error) {
        throw new MalformedError('relay: not sealed by the peer', { cause: error })
      }
    },
  }
}

function vector(counter: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, Math.floor(counter / 2 ** 32))
  view.setUint32(8, counter >>> 0)
  return bytes
}

import { concatBytes } from '../base/bytes.ts'
import type { HostId } from '../core/types.ts'
import { MalformedError } from '../wire/codec.ts'

/** What a host is to others: the name that stands for its key pair, and signatures that prove it. */
export interface Identity {
  readonly hostId: HostId
  /** Algorithm tag and raw public key, as `verifierOf` takes it. */
  readonly publicKey: Uint8Array
  /** To be kept in the host's storage. */
  readonly keys: CryptoKeyPair
  sign(bytes: Uint8Array): Promise<Uint8Array>
}

/** Another host's public key: its name follows from the key, so nobody can bear a name without the private key. */
export interface Verifier {
  readonly hostId: HostId
  verify(signature: Uint8Array, bytes: Uint8Array): Promise<boolean>
}

/** Characters in a HostId: base32, five bits each, 100 bits in all. */
export const hostIdCharacters = 20

interface Algorithm {
  readonly tag: number
  readonly rawBytes: number
  readonly key: { readonly name: string; readonly namedCurve?: string }
  readonly signing: { readonly name: string; readonly hash?: string }
}

// Ed25519 (RFC 8032) where there is one; P-256 for browsers that have none yet. A host verifies what it can: where a
// browser lacks Ed25519 altogether it cannot speak to hosts that have such a key.
const ed25519: Algorithm = { tag: 1, rawBytes: 32, key: { name: 'Ed25519' }, signing: { name: 'Ed25519' } }
const p256: Algorithm = {
  tag: 2,
  rawBytes: 65,
  key: { name: 'ECDSA', namedCurve: 'P-256' },
  signing: { name: 'ECDSA', hash: 'SHA-256' },
}
const algorithms = [ed25519, p256]

/** The identity that stands on a stored key pair. */
export async function identityOf(keys: CryptoKeyPair): Promise<Identity> {
  const algorithm = algorithms.find(one => one.key.name === keys.publicKey.algorithm.name)
  if (algorithm === undefined) throw new TypeError(`no host key: ${keys.publicKey.algorithm.name}`)
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey))
  const publicKey = concatBytes([Uint8Array.of(algorithm.tag), raw])
  return {
    hostId: await hostIdOf(publicKey),
    publicKey,
    keys,
    async sign(bytes) {
      return new Uint8Array(await crypto.subtle.sign(algorithm.signing, keys.privateKey, source(bytes)))
    },
  }
}

/**
 * A new identity. `extractable` says whether the private key can be read out again: only storage that cannot hold
 * opaque keys needs that.
 */
export async function createIdentity(extractable: boolean): Promise<Identity> {
  for (const algorithm of algorithms) {
    try {
      const keys = await crypto.subtle.generateKey(algorithm.key, extractable, ['sign', 'verify'])
      return await identityOf(keys as CryptoKeyPair)
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'NotSupportedError')) throw error
    }
  }
  throw new TypeError('This environment has neither Ed25519 nor P-256.')
}

/** Judges a public key that somebody sent. Throws MalformedError when it is none. */
export async function verifierOf(publicKey: Uint8Array): Promise<Verifier> {
  const algorithm = algorithms.find(one => one.tag === publicKey[0])
  if (algorithm === undefined || publicKey.length !== 1 + algorithm.rawBytes)
    throw new MalformedError('no public key')
  const raw = source(publicKey.subarray(1))
  let key: CryptoKey
  try {
    key = await crypto.subtle.importKey('raw', raw, algorithm.key, true, ['verify'])
  } catch (error) {
    throw new MalformedError('no public key', { cause: error })
  }
  return {
    hostId: await hostIdOf(publicKey),
    verify: (signature, bytes) =>
      crypto.subtle.verify(algorithm.signing, key, source(signature), source(bytes)),
  }
}

export function isHostId(text: string): boolean {
  return /^[a-z2-7]{20}$/.test(text)
}

async function hostIdOf(publicKey: Uint8Array): Promise<HostId> {
  return base32(new Uint8Array(await crypto.subtle.digest('SHA-256', source(publicKey)))).slice(
    0,
    hostIdCharacters,
  )
}

// RFC 4648 §6 in lower case.
function base32(bytes: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(buffer >>> bits) & 31]
    }
  }
  return text
}

/** WebCrypto wants to know that the memory is not shared between threads; ours never is. */
export function source(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}

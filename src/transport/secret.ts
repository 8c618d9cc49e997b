import { source } from './identity.ts'

/**
 * Keys that come from the cluster's secret, one for each purpose, so that a proof given for one is worth nothing for
 * another. The secret itself is never sent, and cannot be read back out of them.
 */
export interface ClusterKeys {
  readonly cluster: string
  /** Proves to a seed, and by a seed, that the secret is known. */
  readonly admission: MacKey
  /** Proves to a peer, however the envelope came, that its sender knows the secret. */
  readonly envelope: MacKey
}

/** HMAC-SHA-256 (RFC 2104). */
export interface MacKey {
  mac(bytes: Uint8Array): Promise<Uint8Array>
  /** Takes the same time whether the first or the last byte is wrong. */
  verify(mac: Uint8Array, bytes: Uint8Array): Promise<boolean>
}

/** Derives the keys by HKDF-SHA-256 (RFC 5869). The cluster's name is the salt: equal secrets do not join clusters. */
export async function deriveClusterKeys(cluster: string, secret: string): Promise<ClusterKeys> {
  const material = await crypto.subtle.importKey('raw', text(secret), 'HKDF', false, ['deriveKey'])
  const derive = async (purpose: string): Promise<MacKey> => {
    const key = await crypto.subtle.deriveKey(
      { name: 'HKDF', hash: 'SHA-256', salt: text(`quorate/1 ${cluster}`), info: text(purpose) },
      material,
      { name: 'HMAC', hash: 'SHA-256', length: 256 },
      false,
      ['sign', 'verify'],
    )
    return {
      mac: async bytes => new Uint8Array(await crypto.subtle.sign('HMAC', key, source(bytes))),
      verify: (mac, bytes) => crypto.subtle.verify('HMAC', key, source(mac), source(bytes)),
    }
  }
  return { cluster, admission: await derive('admission'), envelope: await derive('envelope') }
}

/** UTF-8 bytes. */
export function text(string: string): Uint8Array<ArrayBuffer> {
  return source(new TextEncoder().encode(string))
}

export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count))
}

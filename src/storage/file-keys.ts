import fs from 'node:fs'
import path from 'node:path'
import { QuorateError } from '../core/error.ts'
import { replaceFile } from './file-system.ts'

// The key pair as JSON Web Keys (RFC 7517, RFC 8037), readable by the owner of the file alone.

export const keyFileName = 'keys.json'

export async function loadKeys(directory: string): Promise<CryptoKeyPair | undefined> {
  const file = keyFile(directory)
  let text: string
  try {
    text = await fs.promises.readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { publicKey, privateKey } = JSON.parse(text) as { publicKey: JsonWebKey; privateKey: JsonWebKey }
    const [publicCryptoKey, privateCryptoKey] = await Promise.all([
      importKey(publicKey),
      importKey(privateKey),
    ])
    const keys = { publicKey: publicCryptoKey, privateKey: privateCryptoKey }
    if (!(await belongTogether(keys))) throw new TypeError('the private key is not of the public key')
    return keys
  } catch (cause) {
    throw new QuorateError('STORAGE_CORRUPT', `${file} holds no key pair`, { cause })
  }
}

export async function saveKeys(directory: string, keys: CryptoKeyPair): Promise<void> {
  const publicKey = await crypto.subtle.exportKey('jwk', keys.publicKey)
  const privateKey = await crypto.subtle.exportKey('jwk', keys.privateKey)
  await replaceFile(keyFile(directory), `${JSON.stringify({ publicKey, privateKey }, null, 2)}\n`, 0o600)
}

// A damaged number is mostly a key, too, if another one: only what it signs shows that.
async function belongTogether({ publicKey, privateKey }: CryptoKeyPair): Promise<boolean> {
  const algorithm = { name: privateKey.algorithm.name, hash: 'SHA-256' }
  const text = new Uint8Array(32)
  return crypto.subtle.verify(
    algorithm,
    publicKey,
    await crypto.subtle.sign(algorithm, privateKey, text),
    text,
  )
}

function importKey(key: JsonWebKey): Promise<CryptoKey> {
  const algorithm = key.kty === 'OKP' ? { name: key.crv ?? '' } : { name: 'ECDSA', namedCurve: key.crv ?? '' }
  return crypto.subtle.importKey('jwk', key, algorithm, true, key.d === undefined ? ['verify'] : ['sign'])
}

function keyFile(directory: string): string {
  return path.join(directory, keyFileName)
}

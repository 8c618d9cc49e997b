// Stands in for randombytes when simple-peer is bundled for browsers (see build.mjs). simple-peer names peers and
// channels with it, always as hexadecimal text.

function randomBytes(length: number): { toString(): string } {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(length))
  return { toString: () => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('') }
}

export = randomBytes

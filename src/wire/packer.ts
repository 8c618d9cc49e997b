import { Packr, RESET_BUFFER_MODE } from 'msgpackr/pack'

/**
 * MessagePack of a value that `codec.ts` has looked through, each number and length in its shortest form. The result
 * stays only until the next call: the packer starts at the same place again.
 */
export function pack(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? packBytes(value) : packr.pack(value, RESET_BUFFER_MODE)
}

let scratch = new Uint8Array(512)

/** A byte string alone, as many values are: msgpackr compares it with one class after the other first. */
function packBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  const lengthBytes = length < 0x100 ? 1 : length < 0x10000 ? 2 : 4
  const start = 1 + lengthBytes
  if (scratch.length < start + length) scratch = new Uint8Array(2 * (start + length))
  scratch[0] = 0xc3 + (lengthBytes === 4 ? 3 : lengthBytes)
  for (let at = 1; at < start; at++) scratch[at] = length >>> (8 * (lengthBytes - at))
  scratch.set(bytes, start)
  return scratch.subarray(0, start + length)
}

const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  useToJSON: false,
  mapsAsObjects: true,
  // Exact headers for objects; the default one has room for 65,535 keys.
  variableMapSize: true,
})

import { Packr, RESET_BUFFER_MODE } from 'msgpackr/pack'

/**
 * MessagePack of a value that `codec.ts` has looked through, each number and length in its shortest form. The result
 * stays only until the next call: the packer starts at the same place again.
 */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value, RESET_BUFFER_MODE)
}

const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  useToJSON: false,
  mapsAsObjects: true,
  // Exact headers for objects; the default one has room for 65,535 keys.
  variableMapSize: true,
})

import { ByteWriter } from './byte-writer.ts'
import { writeValue } from './pack-writer.ts'

// Takes the place of packer.ts in browsers and writes the same bytes (test/wire/browser-codec.test.ts): msgpackr packs
// only together with its unpacker, records and extensions, which are 12 KB compressed that no page has a use for.

export function pack(value: unknown): Uint8Array {
  writer.clear()
  writeValue(writer, value)
  return writer.written()
}

const writer = new ByteWriter()

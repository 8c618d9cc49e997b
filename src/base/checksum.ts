// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the polynomial of iSCSI, ext4 and most write-ahead logs.
// Eight bytes a step ("slicing by eight"): about four times as fast as one table in V8.

const polynomial = 0x82f63b78
const tables = makeTables()

/** CRC-32C of `bytes` as an unsigned 32-bit number. Pass the last result as `seed` to go on over further bytes. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  const t = tables
  let crc = ~seed
  let i = 0
  const stepsEnd = bytes.length - 7
  for (; i < stepsEnd; i += 8) {
    const low =
      crc ^ (at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24))
    crc =
      at(t, 1792 + (low & 255)) ^
      at(t, 1536 + ((low >>> 8) & 255)) ^
      at(t, 1280 + ((low >>> 16) & 255)) ^
      at(t, 1024 + (low >>> 24)) ^
      at(t, 768 + at(bytes, i + 4)) ^
      at(t, 512 + at(bytes, i + 5)) ^
      at(t, 256 + at(bytes, i + 6)) ^
      at(t, at(bytes, i + 7))
  }
  for (; i < bytes.length; i++) crc = at(t, (crc ^ at(bytes, i)) & 255) ^ (crc >>> 8)
  return ~crc >>> 0
}

function makeTables(): Int32Array {
  const all = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    all[byte] = crc
  }
  for (let i = 256; i < all.length; i++) {
    const previous = at(all, i - 256)
    all[i] = at(all, previous & 255) ^ (previous >>> 8)
  }
  return all
}

function at(array: Int32Array | Uint8Array, index: number): number {
  return array[index] as number
}

import fc from 'fast-check'

/** Encoded bytes after accidents: some bytes changed, the end cut off or something put behind it. */
export function mutated(encoded: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255) })
  const accident = fc.record({
    changes: fc.array(change, { maxLength: 3 }),
    cut: fc.oneof(fc.constant(0), fc.nat(40)),
    tail: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 4 })),
  })
  return fc.tuple(encoded, accident).map(([bytes, { changes, cut, tail }]) => {
    const whole = [...bytes.subarray(0, Math.max(0, bytes.length - cut)), ...tail]
    for (const { at, byte } of changes) if (whole.length > 0) whole[at % whole.length] = byte
    return Uint8Array.from(whole)
  })
}

// What msgpackr's packer takes from its unpacker, for browsers. The packer extends the unpacker, but nothing here
// unpacks with it (see codec.ts), and the rest serves kinds of values that no message holds.

export class Unpackr {
  constructor(options: object) {
    Object.assign(this, options)
  }
}

export class C1Type {}

export const typedArrays: readonly string[] = []

export const mult10: readonly number[] = []

export const FLOAT32_OPTIONS = {}

export function addExtension(): void {}

// Stands in for the buffer package when simple-peer is bundled for browsers (see build.mjs). simple-peer makes a
// Buffer of every ArrayBuffer that arrives; this library wants plain bytes, so that both worlds see the same.

const Buffer = { from: (data: ArrayBuffer): Uint8Array => new Uint8Array(data) }

export = { Buffer }

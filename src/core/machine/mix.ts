// A hash of 32 bits that is built step by step. Not for use against forgery.

export function addText(hash: number, text: string): number {
  let sum = addWord(hash, text.length)
  for (let i = 0; i < text.length; i++) sum = addWord(sum, text.charCodeAt(i))
  return sum
}

/** Takes all 53 bits of a safe integer from 0, in two words. */
export function addNumber(hash: number, value: number): number {
  return addWord(addWord(hash, value), value / 2 ** 32)
}

// The round and the finalizer of MurmurHash3 (x86, 32 bits), whose avalanche is well studied. Of a word its integer
// part counts, modulo 2^32, and a round gives an integer of 32 bits: so no object is made for a number on the way.

function addWord(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51)
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
  const sum = hash ^ mixed
  return (Math.imul((sum << 13) | (sum >>> 19), 5) + 0xe6546b64) | 0
}

export function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

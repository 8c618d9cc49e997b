/** Longest message of an error that crosses the wire, in UTF-16 code units. */
const messageLengthMax = 500

/** What an error says: whatever a function of the application threw, and so anything at all. */
export function messageOf(error: unknown): string {
  try {
    return wireMessage(String(error instanceof Error ? error.message : error))
  } catch {
    return 'what was thrown has no text'
  }
}

/** As much of a message as crosses the wire, where half a character would be refused. */
export function wireMessage(message: string): string {
  return message.slice(0, messageLengthMax).replace(/\p{Surrogate}/gu, '\ufffd')
}

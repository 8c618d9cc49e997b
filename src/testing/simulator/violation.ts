/** A promise of the system that a simulation saw broken. */
export interface Violation {
  /** Which promise: a few words that are the same for each breach of it. */
  readonly rule: string
  readonly message: string
  /** In virtual milliseconds from the start. */
  readonly ms: number
}

/** Reports a breach. It does not throw: whoever finds it may stand in the middle of the host's own code. */
export type Report = (rule: string, message: string) => void

/** A sequential object: what operations do when they come one after the other. States are immutable. */
export interface Model<State, Op> {
  readonly initial: State
  /**
   * The state after the operation, or undefined when it cannot have had its result in this state. Of an operation
   * whose outcome is unknown there is no result: the model says what it would do, whatever it would answer.
   */
  step(state: State, operation: Op): State | undefined
  /**
   * Whether the state after the operation shows nothing of an operation of unknown outcome right before it, which then
   * need not be tried. Of a plain write, say. Default: it may show.
   */
  isBlind?(operation: Op): boolean
  /**
   * Whether the operation, answered as it is, leaves every state as it is in which it can have been. A read, say, or a
   * condition that failed: where it fits it may take its place, and no other order need be tried. Default: it may not.
   */
  isObservation?(operation: Op): boolean
  /** Equal for equal states, and for no others. */
  fingerprint(state: State): string
  /**
   * What an operation of unknown outcome does, whenever it does it: of two that do the same, either stands for the
   * other. Null: nothing ever, as of a read. Default: each does something of its own.
   */
  effect?(operation: Op): string | null
  /**
   * Where the answer tells its place: of two operations of a part, the one of lower rank took effect before the other.
   * Default: it does not tell.
   */
  rank?(operation: Op): number | undefined
  /**
   * The operations of one part in other words that have the same verdict: one for each, in the same order. For values
   * that nobody ever saw, say, of which one is as good as the other.
   */
  prepare?(operations: readonly Op[]): readonly Op[]
  /**
   * Names the part of the object that the operation works on, where parts have nothing to do with each other. Such a
   * history is linearizable when it is for each part (Herlihy and Wing 1990, §3.3: locality), and parts are checked
   * much faster than the whole.
   */
  partition?(operation: Op): string
}

/** Why a history is not linearizable: its shortest beginning that no order explains. */
export interface Stuck<Op> {
  readonly part: string
  /** All up to its answer is too much: no order of what was called before explains this answer and all earlier ones. */
  readonly operation: Op
  /** Operations of the part that were answered before that, and can be explained. */
  readonly explained: number
  /** One order that explains these. */
  readonly order: readonly Op[]
  /** What was under way: operations that might have come next, and `operation` itself. None of them leads on. */
  readonly pending: readonly Op[]
  /** Fingerprints of the states in which such orders end; some, when they are many. */
  readonly states: readonly string[]
}

/** What a checker must know of an operation, whatever it does. */
export interface TimedOperation {
  /** When the call was made. Any unit; operations that end and begin at one time count as concurrent. */
  readonly call: number
  /** When the answer came. Null where none came; of no meaning unless the outcome is `ok`. */
  readonly return: number | null
  /**
   * - `ok`: it was answered, and took effect once between call and return. A condition that was not met is an answer.
   * - `fail`: it took no effect, for certain.
   * - `unknown`: it took effect at some time after the call, however late, or never.
   */
  readonly outcome: 'ok' | 'fail' | 'unknown'
}

/** An operation of a client: a line of a history file (JSON, one operation a line, in any order). */
export interface Operation extends TimedOperation {
  readonly client: string | number
  /** Its name, as in the Store: `get`, `put`, `insert`, `delete`, `compareAndSwap`, … */
  readonly op: string
  /** What it works on. Left out, or null, where there is one object only. */
  readonly key?: string | number | null
  /** The arguments after the key. Null stands for "absent". */
  readonly args: readonly unknown[]
  /** The answer, where there was one. Null and undefined stand for "absent". */
  readonly result?: unknown
}

/** A history cannot be understood. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError'
}

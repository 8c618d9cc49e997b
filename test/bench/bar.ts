/** What was asked of a measurement, and whether it was met. */
export interface Bar {
  readonly bar: string
  readonly value: number
  readonly pass: boolean
}

/** Three digits behind the point: more would be noise. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}

export function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** The middle one, or the larger of the two in the middle. */
export function middle(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
}

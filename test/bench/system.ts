import type { Load, Measurement } from './drive.ts'

/** A running cluster of one kind that can be put under load. */
export interface System {
  measure(load: Load): Promise<Measurement>
  close(): Promise<void>
}

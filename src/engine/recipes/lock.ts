import { Holding } from './holding.ts'
import { type HoldOptions, Line } from './line.ts'
import type { Means } from './means.ts'

/** A lock that is held. */
export class Lock extends Holding {}

/** Waits for its turn. */
export async function acquireLock(means: Means, name: string, options: HoldOptions): Promise<Lock> {
  return new Lock(await lineOf(means, name).enter(options, null, true))
}

/** Undefined where somebody holds it or waits for it. */
export async function tryLock(means: Means, name: string, options: HoldOptions): Promise<Lock | undefined> {
  const place = await lineOf(means, name).enter(options, null, false)
  return place && new Lock(place)
}

function lineOf(means: Means, name: string): Line {
  return new Line(means, '$lock', name, 1)
}

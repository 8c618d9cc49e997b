import { type Action, SmallWorld, type WorldOptions } from './small-world.ts'

export interface Exploration {
  /** Different worlds that were met. */
  readonly states: number
  /** Those in which an entry is committed. */
  readonly withCommit: number
  /** Actions that were tried. */
  readonly transitions: number
  /** The first world in which an invariant does not hold, by the shortest way to it. */
  readonly violation?: { readonly message: string; readonly actions: readonly string[] }
}

/** A world by the actions that lead to it: it is made anew when it is needed. */
interface Path {
  readonly before: Path | undefined
  readonly action: Action
}

/**
 * Goes through every order of actions up to `depth`, the shortest first. A world that was met is not gone through
 * again, for what may happen next depends on nothing else. That a message is lost needs no action: it is one that is
 * never delivered. The same every time.
 */
export function explore(options: WorldOptions, depth: number): Exploration {
  const met = new Set<string>()
  let transitions = 0
  let withCommit = 0
  let frontier: (Path | undefined)[] = [undefined]
  for (let length = 0; length < depth; length++) {
    const reached: Path[] = []
    for (const before of frontier) {
      const first = replay(options, before)
      for (const [number, action] of first.actions().entries()) {
        const path = { before, action }
        const world = number === 0 ? first : replay(options, before)
        world.perform(action)
        transitions++
        const { violation: message } = world
        if (message !== undefined) {
          return {
            states: met.size,
            withCommit,
            transitions,
            violation: { message, actions: describePath(options, path) },
          }
        }
        const fingerprint = world.fingerprint()
        if (met.has(fingerprint)) continue
        met.add(fingerprint)
        if (world.hasCommitted) withCommit++
        reached.push(path)
      }
    }
    frontier = reached
  }
  return { states: met.size, withCommit, transitions }
}

function replay(options: WorldOptions, path: Path | undefined, visit = (_: string) => {}): SmallWorld {
  const world = new SmallWorld(options)
  const actions: Action[] = []
  for (let at = path; at !== undefined; at = at.before) actions.push(at.action)
  for (const action of actions.reverse()) {
    visit(world.describe(action))
    world.perform(action)
  }
  return world
}

function describePath(options: WorldOptions, path: Path): string[] {
  const actions: string[] = []
  replay(options, path, action => actions.push(action))
  return actions
}

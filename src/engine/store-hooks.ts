import type { HostId } from '../core/types.ts'
import { type Commands, checkCommands } from './transactions/command.ts'
import type { StoreCommand } from './types.ts'

/** Answers one kind of request on the leader. What it throws reaches the asker as REQUEST_FAILED, with its message. */
export type RequestHandler = (
  body: unknown,
  context: {
    /** The host whose store asks. */
    readonly from: HostId
    /** Aborted as soon as nobody waits for the reply any more: its deadline passed, say, or this host leads no more. */
    readonly signal: AbortSignal
  },
) => unknown

/**
 * What the application adds to a store on the host that leads it. Every host that may come to lead needs the same; a
 * host without them leads without them. They can be given anew whenever the store is opened.
 */
export interface StoreHooks {
  /**
   * Asked about each command of any host before it is logged, and never when it is applied. Answers why the command is
   * refused, or undefined. A refused one was not written: its caller gets REFUSED, with outcome 'none' (or 'unknown'
   * where an earlier attempt went to another leader and may have been written). A rule that throws refuses. It must
   * answer at once: everything else waits for it.
   */
  readonly validate?: (
    command: StoreCommand,
    context: { readonly host: HostId | undefined },
  ) => string | undefined
  /** Handlers of `store.request`, by name. */
  readonly requests?: Readonly<Record<string, RequestHandler>>
  /**
   * What `store.command` can run. Every member needs all commands that are in use: one that meets a command it was not
   * given applies nothing any more (COMMAND_UNKNOWN) until the store is opened with it.
   */
  readonly commands?: Commands
}

/** The hooks among the options. Throws TypeError on what is none. */
export function checkHooks({ validate, requests, commands }: StoreHooks): StoreHooks {
  if (validate !== undefined && typeof validate !== 'function') throw new TypeError('validate is a function')
  if (requests !== undefined && (typeof requests !== 'object' || requests === null))
    throw new TypeError('requests is an object')
  if (requests !== undefined && Object.values(requests).some(handler => typeof handler !== 'function'))
    throw new TypeError('requests holds a function for each name')
  return {
    ...(validate && { validate }),
    ...(requests && { requests }),
    ...(commands !== undefined && { commands: checkCommands(commands) }),
  }
}

import type { Session } from './session.ts'

/** The two streams of a link: one that must stay quick, and one for what is large. */
export type Channel = 'control' | 'bulk'

export const channels: readonly Channel[] = ['control', 'bulk']

/** One connection to one peer, by one path: carries chunks, each whole and in the order of its channel, or breaks. */
export interface Link {
  readonly path: 'direct' | 'relay'
  /** Kind of the ICE candidate in use, where it is known. */
  readonly candidate: string | undefined
  /** Sends one chunk. The bytes may be changed as soon as it returns. */
  send(channel: Channel, chunk: Uint8Array): void
  /** Bytes of the channel that have not left this process yet. */
  bufferedBytes(channel: Channel): number
  /** Takes what the other end handed to `handlers.signal`. */
  signal(body: Uint8Array): void
  /** Ends the link at once, and silently: no handler is called any more. */
  close(): void
}

/** None of these is called inside a call to the link, or before it was handed out. */
export interface LinkHandlers {
  /** Chunks can be sent. */
  opened(): void
  /** The bytes are the receiver's own. */
  chunk(channel: Channel, bytes: Uint8Array): void
  /** A channel that was full has room again. */
  drained(): void
  /** To be brought to the other end by other means than the link itself. */
  signal(body: Uint8Array): void
  /** There are signs that nothing gets through any more, but no proof. */
  doubted(): void
  /** Once; nothing follows. */
  closed(reason: string): void
}

/** Begins a link within a session. Both ends do so, whether or not they hear of each other. */
export type MakeLink = (session: Session, handlers: LinkHandlers) => Link

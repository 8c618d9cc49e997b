/** A message connection to a seed: a WebSocket, whichever environment it comes from. */
export interface Socket {
  /** Does nothing where the connection is not open, or not any more. */
  send(bytes: Uint8Array): void
  /** `handlers.closed` follows, unless it was called before. */
  close(): void
}

export interface SocketHandlers {
  open(): void
  /** The bytes are the receiver's own. */
  message(bytes: Uint8Array): void
  /** Once, for whatever reason; nothing follows. */
  closed(reason: string): void
}

/** Opens a connection. No handler is called before it has returned. */
export type OpenSocket = (url: string, handlers: SocketHandlers) => Socket

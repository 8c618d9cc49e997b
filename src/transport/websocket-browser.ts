import type { OpenSocket } from './socket.ts'

/** The WebSocket of browsers. */
export const openBrowserSocket: OpenSocket = (url, handlers) => {
  const socket = new WebSocket(url)
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => handlers.open()
  socket.onmessage = ({ data }) => {
    // Seeds speak bytes only; text is treated as the empty message, which is malformed to everybody.
    handlers.message(data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(0))
  }
  // An error event says nothing that the close event, which always follows, does not say.
  socket.onclose = ({ code, reason }) => handlers.closed(`${code} ${reason}`.trim())
  return {
    send: bytes => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes as Uint8Array<ArrayBuffer>)
    },
    close: () => socket.close(),
  }
}

import { WebSocket, WebSocketServer } from 'ws'
import { socketMessageBytesMax } from './signaling-protocol.ts'
import type { OpenSocket } from './socket.ts'

/** The WebSocket of Node, which has none of its own before version 22. */
export const openNodeSocket: OpenSocket = (url, handlers) => {
  const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: socketMessageBytesMax })
  socket.binaryType = 'arraybuffer'
  let failure = ''
  socket.on('open', () => handlers.open())
  socket.on('message', (data, isBinary) => {
    // Seeds speak bytes only; text is treated as the empty message, which is malformed to everybody.
    handlers.message(isBinary && data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(0))
  })
  socket.on('error', error => {
    failure = error.message
  })
  socket.on('close', (code, reason) => handlers.closed(`${code} ${reason.toString() || failure}`.trim()))
  return {
    send: bytes => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes)
    },
    close: () => socket.close(),
  }
}

/** The other end, for seeds: the one place that knows the package. */
export { type WebSocket as ServerSocket, WebSocketServer }

import type { ClientHttp2Session } from 'node:http2'
import { connect, constants } from 'node:http2'

/**
 * As much of etcd's gRPC interface as a write and a read need, by hand over node:http2: its JSON gateway would cost it
 * a second server and base64 on every call, and the comparison has to be fair.
 */
export interface EtcdClient {
  put(key: string, value: Uint8Array): Promise<void>
  /** Linearizable, as etcd reads unless it is asked not to. */
  get(key: string): Promise<void>
  close(): void
}

export function connectEtcd(url: string): EtcdClient {
  const session = connect(url)
  return {
    put: (key, value) => call(session, '/etcdserverpb.KV/Put', putRequest(key, value)),
    get: key => call(session, '/etcdserverpb.KV/Range', bytesField(1, Buffer.from(key))),
    close: () => session.destroy(),
  }
}

/** One unary gRPC call; rejects unless the trailers say that it went well (gRPC over HTTP/2, "Responses"). */
function call(session: ClientHttp2Session, path: string, message: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    })
    let status: unknown
    stream.on('trailers', trailers => {
      status = trailers['grpc-status']
    })
    stream.on('response', headers => {
      status ??= headers['grpc-status']
    })
    stream.once('error', reject)
    stream.once('close', () => (status === '0' ? resolve() : reject(new Error(`grpc-status ${status}`))))
    stream.resume()
    stream.end(frame(message))
  })
}

/** A gRPC message: not compressed, its length, itself. */
function frame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

/** etcdserverpb.PutRequest { bytes key = 1; bytes value = 2 } in protobuf's wire format. */
function putRequest(key: string, value: Uint8Array): Buffer {
  return Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, value)])
}

function bytesField(number: number, bytes: Uint8Array): Buffer {
  const lengthDelimited = 2
  const header = [(number << 3) | lengthDelimited]
  let rest = bytes.length
  for (; rest > 127; rest >>>= 7) header.push((rest & 127) | 128)
  return Buffer.concat([Buffer.from([...header, rest]), bytes])
}

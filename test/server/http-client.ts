import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { HttpApi, type HttpApiOptions } from '../../src/server/http.ts'
import type { Served } from '../../src/server/served.ts'
import { HostDouble, StoreDouble } from './store-double.ts'

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  // The shape of a body is what the test is about.
  readonly body: { readonly [name: string]: unknown; readonly error?: { readonly [name: string]: unknown } }
}

export const secret = 'a secret of the test'
export const asJson = { 'content-type': 'application/json' }

/** An API over doubles, on a port of its own. */
export class ApiFixture {
  readonly store = new StoreDouble()
  readonly host = new HostDouble()
  readonly errors: unknown[] = []
  served: Served = { type: 'host', host: this.host, store: this.store }
  readonly api: HttpApi
  private readonly server: Server

  private constructor(options: Partial<HttpApiOptions>) {
    this.api = new HttpApi({
      cluster: 'demo',
      secret,
      access: 'local',
      served: () => this.served,
      onError: error => this.errors.push(error),
      ...options,
    })
    this.server = createServer((message, response) => void this.api.handle(message, response))
  }

  static async start(options: Partial<HttpApiOptions> = {}): Promise<ApiFixture> {
    const fixture = new ApiFixture(options)
    fixture.server.listen(0, '127.0.0.1')
    await once(fixture.server, 'listening')
    return fixture
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** The response once its headers are there, its body still to be read. */
  async open(path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<IncomingMessage> {
    const asked = request({ host: '127.0.0.1', port: this.port, path, method, headers, agent: false })
    asked.end(body)
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return response
  }

  async ask(path: string, asked: Asked = {}): Promise<Answer> {
    const response = await this.open(path, asked)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    const isJson = response.headers['content-type']?.startsWith('application/json') === true && text !== ''
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : {},
    }
  }

  /** What comes back for these characters, head and body, until the other side ends the connection. */
  async askRaw(text: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.end(text)
    let answer = ''
    for await (const chunk of socket.setEncoding('latin1')) answer += chunk
    return answer
  }

  put(key: string, value: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.ask(`/v1/kv/${key}`, {
      method: 'PUT',
      headers: { ...asJson, ...headers },
      body: JSON.stringify(value),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.api.close()
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }
}

import { signalingPath } from './signaling-protocol.ts'

/** WebSocket addresses of seeds that were given by any of their addresses. Throws TypeError on what is none. */
export function signalUrls(seeds: readonly string[]): readonly string[] {
  if (!Array.isArray(seeds)) throw new TypeError('seeds must be a list of addresses')
  return seeds.map(seed => {
    const url = URL.canParse(seed) ? new URL(seed) : undefined
    const protocol = url === undefined ? undefined : protocols[url.protocol]
    if (url === undefined || protocol === undefined) {
      throw new TypeError(`${seed} is no address of a seed: http://HOST:PORT was expected`)
    }
    return `${protocol}//${url.host}${signalingPath}`
  })
}

const protocols: Readonly<Record<string, string>> = {
  'http:': 'ws:',
  'ws:': 'ws:',
  'https:': 'wss:',
  'wss:': 'wss:',
}

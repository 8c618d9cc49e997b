import type { Checked, HostInfo, Member, StoreEntry, StoreStatus, Written } from '../../src/index.ts'

/** What `/v1/status` tells of a seed that has a store. */
export interface SeedStatus extends Omit<StoreStatus, 'group'>, Pick<HostInfo, 'peers' | 'present'> {
  readonly state: string
  readonly host: string
  readonly deployment: string
}

/** The HTTP API of a seed. Rejects with what `fetch` throws where nobody answers, and on every refusal. */
export interface SeedApi {
  put(key: string, value: unknown): Promise<Written>
  /** PUT with `If-None-Match: *`. */
  insert(key: string, value: unknown): Promise<Checked>
  scan(prefix: string): Promise<readonly StoreEntry[]>
  members(): Promise<readonly Member[]>
  status(): Promise<SeedStatus>
}

export function seedApi(url: string): SeedApi {
  const ask = async (path: string, init: RequestInit = {}, allowed = [200]) => {
    const response = await fetch(`${url}${path}`, init)
    const text = await response.text()
    if (!allowed.includes(response.status)) throw new Error(`${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const put = (key: string, value: unknown, headers: Readonly<Record<string, string>>, allowed: number[]) =>
    ask(
      `/v1/kv/${encodeURIComponent(key)}`,
      {
        method: 'PUT',
        body: JSON.stringify(value),
        headers: { 'content-type': 'application/json', ...headers },
      },
      allowed,
    )
  return {
    put: (key, value) => put(key, value, {}, [200]),
    // Whoever wins is not told what it wrote.
    insert: async (key, value) => ({
      value,
      ...(await put(key, value, { 'if-none-match': '*' }, [201, 412])),
    }),
    scan: async prefix =>
      (await ask(prefix === '' ? '/v1/kv' : `/v1/kv?prefix=${encodeURIComponent(prefix)}`)).entries,
    members: async () => (await ask('/v1/members')).members,
    status: () => ask('/v1/status'),
  }
}

/** The hosts that frames can be sent to. */
export function connected({ peers }: Pick<HostInfo, 'peers'>): readonly string[] {
  return peers.filter(({ path }) => path !== 'none').map(({ hostId }) => hostId)
}

import type { JSHandle } from '@playwright/test'
import { type ErrorCode, type Host, type Outcome, QuorateError, type Store } from '../../src/index.ts'

/** What the demo exposes for tests. */
export interface Session {
  readonly host: Host
  readonly store: Store
}

const methods = [
  'put',
  'insert',
  'delete',
  'compareAndSwap',
  'barrier',
  'get',
  'entry',
  'scan',
  'members',
  'promote',
  'demote',
  'remove',
] as const

type Method = (typeof methods)[number]

/** The store of a page, called from the test: the same methods, and the same typed errors. */
export type RemoteStore = { readonly [Name in Method]: Store[Name] }

interface Call {
  readonly name: Method
  readonly given: readonly unknown[]
}

/** What became of a call. As data, because an error loses its code on the way out of a page. */
type Settled =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly refused: Refusal }

interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  readonly outcome: Outcome
}

/** `session` is asked at every call: a page that was loaded anew has another one. */
export function remoteStore(session: () => JSHandle<Session>): RemoteStore {
  const calls = methods.map(name => [
    name,
    async (...given: readonly unknown[]) => {
      const settled = await session().evaluate(callInPage, { name, given })
      if (settled.ok) return settled.value
      const { code, message, ...rest } = settled.refused
      throw new QuorateError(code, message, rest)
    },
  ])
  return Object.fromEntries(calls)
}

async function callInPage({ store }: Session, { name, given }: Call): Promise<Settled> {
  const method = store[name] as (...given: readonly unknown[]) => Promise<unknown>
  try {
    return { ok: true, value: await method.apply(store, [...given]) }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    const { code, message, retryable, outcome } = error as QuorateError
    return { ok: false, refused: { code, message, retryable, outcome } }
  }
}

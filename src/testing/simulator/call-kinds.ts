export type Op = KeyOp | ReadOp | SpecialOp | 'barrier' | 'broadcast' | 'request' | 'members' | 'together'

/** What one key's history is made of: whoever asks for linearizability looks at these. */
export const keyOps = ['put', 'insert', 'delete', 'compareAndSwap', 'entry'] as const
type KeyOp = (typeof keyOps)[number]

/** What leaves nothing behind, whatever became of it. */
export const readOps = [
  'entry',
  'sessionEntry',
  'staleEntry',
  'scan',
  'sessionScan',
  'staleScan',
  'members',
] as const
type ReadOp = (typeof readOps)[number]

/** What is judged by whoever called it: see the files of these names. */
export const specialOps = [
  'txn',
  'command',
  'transact',
  'view',
  'count',
  'lease',
  'leased',
  'lock',
  'fenced',
  'semaphore',
  'election',
  'presence',
  'queue',
  'table',
] as const
export type SpecialOp = (typeof specialOps)[number]

/** What a worker may call, and how often beside the others. A seed has the first ones and some of the extra ones. */
export const commonCalls = {
  put: 35,
  insert: 10,
  delete: 10,
  compareAndSwap: 15,
  scan: 5,
  entry: 20,
} as const
export const extraCalls = {
  staleEntry: 5,
  sessionEntry: 15,
  sessionScan: 4,
  staleScan: 2,
  barrier: 3,
  broadcast: 15,
  request: 10,
  members: 3,
  together: 10,
  txn: 12,
  command: 8,
  transact: 10,
  view: 6,
  count: 10,
  lease: 3,
  lock: 6,
  semaphore: 6,
  election: 6,
  presence: 5,
  queue: 15,
  table: 15,
} as const

/** What `together` writes at one revision, and nothing else does: whoever sees one of them sees the other one. */
export const twinKeys = ['k twin 1', 'k twin 2'] as const

export type ExtraCall = keyof typeof extraCalls
export const extraCallNames = Object.keys(extraCalls) as readonly ExtraCall[]

/** What transactions and commands write, and nothing else does: their values have names. */
export const sharedKeys = ['k shared 0', 'k shared 1', 'k shared 2', 'k shared 3'] as const

/** Each of its values was written by one call, whose name it has. */
export function isNamedKey(key: string): boolean {
  return key.startsWith('k')
}

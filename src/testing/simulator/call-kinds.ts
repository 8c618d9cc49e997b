export type Op = KeyOp | ReadOp | 'barrier' | 'broadcast' | 'request' | 'members' | 'together'

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
} as const

/** What `together` writes at one revision, and nothing else does: whoever sees one of them sees the other one. */
export const twinKeys = ['k twin 1', 'k twin 2'] as const

export type ExtraCall = keyof typeof extraCalls
export const extraCallNames = Object.keys(extraCalls) as readonly ExtraCall[]

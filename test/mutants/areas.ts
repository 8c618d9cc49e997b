const raftAreas = [
  'election',
  'replication',
  'quorum',
  'read-index',
  'rest',
  'witness',
  'snapshot',
  'membership',
]

/** The tests of Raft, those that are most likely to tell in front. */
export function raftTests(...first: readonly string[]): readonly string[] {
  const names = [...new Set([...first, ...raftAreas, 'random-network'])]
  return names.map(name => `test/raft/${name}.test.ts`)
}

export function engineTests(...names: readonly string[]): readonly string[] {
  return names.map(name => `test/engine/${name}.test.ts`)
}

export const machineTests: readonly string[] = ['sessions', 'machine', 'members', 'model'].map(
  name => `test/machine/${name}.test.ts`,
)

export function storageTests(...names: readonly string[]): readonly string[] {
  return names.map(name => `test/storage/${name}.test.ts`)
}

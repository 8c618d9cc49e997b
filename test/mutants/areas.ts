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

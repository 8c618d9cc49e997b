import type { World } from './world.ts'

/** The state of all hosts as a table, for whoever asks why a cluster is stuck. */
export function describeWorld(world: World): string {
  const rows = [
    ['host', 'group', 'role', 'id', 'term', 'vote', 'leader', 'last', 'commit', 'applied', 'voters'],
  ]
  for (const host of world.hosts.values()) {
    const { life } = host
    if (life?.host === undefined || life.failure !== undefined) {
      rows.push([host.id, '', life === undefined ? 'down' : (life.failure?.code ?? 'starting')])
      continue
    }
    const state = life.clock.isSuspended ? ' (suspended)' : ''
    if (life.host.running.size === 0) rows.push([host.id, '', `${host.role}${state}`])
    for (const { group, node, machine, conf } of life.host.running.values()) {
      const { raft } = node
      const { term, vote, leader, role, log } = raft
      const { voters, votersOutgoing } = conf
      const outgoing = votersOutgoing.length === 0 ? '' : ` && ${votersOutgoing.join(' ')}`
      const numbers = [raft.id, term, vote, leader, log.lastIndex(), log.committed, machine.appliedIndex]
      rows.push([host.id, group, `${role}${state}`, ...numbers.map(String), voters.join(' ') + outgoing])
    }
  }
  return alignTable(rows)
}

/** Rows of text as columns. */
export function alignTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  const lines = rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}

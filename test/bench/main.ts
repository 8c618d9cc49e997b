import { runScript, UsageError } from '../run/script.ts'
import { type Bar, print } from './bar.ts'
import { compare, isSystemName, systemNames } from './compare.ts'
import { benchCore } from './core.ts'
import { benchFailover } from './failover.ts'
import { benchIdle } from './idle.ts'
import { benchStore } from './store.ts'

const others: Readonly<Record<string, () => Promise<Bar[]>>> = {
  core: benchCore,
  failover: benchFailover,
  idle: benchIdle,
  store: benchStore,
}

const known = [...systemNames, ...Object.keys(others)].join(', ')
const usage = `Usage: npm run bench [-- NAME...]

Prints lines of JSON, at the end one for each bar. NAME is one of ${known}.
Without names: what the store does (quorate) between what is possible (limit) and what etcd does, and the core alone.
The others take minutes.

Exit codes: 0 no bar is missed, 1 one is, 2 the words cannot be understood.`

async function main(words: readonly string[]): Promise<number> {
  const names = words.length === 0 ? [...systemNames, 'core'] : words
  const unknown = names.find(name => !isSystemName(name) && !Object.hasOwn(others, name))
  if (unknown !== undefined) throw new UsageError(`there is no ${unknown}; there are ${known}`)
  const bars: Bar[] = []
  const systems = names.filter(isSystemName)
  if (systems.length > 0) bars.push(...(await compare(systems)))
  for (const [name, bench] of Object.entries(others)) if (names.includes(name)) bars.push(...(await bench()))
  for (const bar of bars) print(bar)
  return bars.every(({ pass }) => pass) ? 0 : 1
}

await runScript('bench', usage, main)

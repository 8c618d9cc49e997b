// `npm run bench [-- NAME...]`: lines of JSON, at the end one per bar; exits with 1 where a bar is missed.
// Without names: what the store does (quorate) between what is possible (limit) and what etcd does, and the core alone.
// By name only, for they take minutes: failover, idle.

import { type Bar, print } from './bar.ts'
import { compare, isSystemName, systemNames } from './compare.ts'
import { benchCore } from './core.ts'
import { benchFailover } from './failover.ts'
import { benchIdle } from './idle.ts'

const others: Readonly<Record<string, () => Promise<Bar[]>>> = {
  core: benchCore,
  failover: benchFailover,
  idle: benchIdle,
}

async function main(words: readonly string[]): Promise<number> {
  const names = words.length === 0 ? [...systemNames, 'core'] : words
  const unknown = names.find(name => !isSystemName(name) && !Object.hasOwn(others, name))
  if (unknown !== undefined) {
    const known = [...systemNames, ...Object.keys(others)].join(', ')
    process.stderr.write(`bench: there is no ${unknown}; there are ${known}\n`)
    return 2
  }
  const bars: Bar[] = []
  const systems = names.filter(isSystemName)
  if (systems.length > 0) bars.push(...(await compare(systems)))
  for (const [name, bench] of Object.entries(others)) if (names.includes(name)) bars.push(...(await bench()))
  for (const bar of bars) print(bar)
  return bars.every(({ pass }) => pass) ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isQuorateError } from '../core/error.ts'
import type { Host } from '../engine/host/host.ts'
import { type Seed, startSeed } from '../server/seed.ts'
import { type Command, CommandFailed, exitFailed, operands, parse, type Terminal } from './command.ts'
import { loadHooks, withDemo } from './hooks.ts'

export const seed: Command = {
  help: `Usage: quorate seed [options]

Runs a seed until SIGTERM or SIGINT; then it hands leadership over and exits. A second SIGINT ends it at once.

  --port PORT      default 8080; 0 takes any free one
  --host ADDRESS   address to listen on (default 127.0.0.1); one that others can reach needs a secret
  --data DIR       folder of the seed's data (default .quorate)
  --cluster NAME   default demo
  --secret SECRET  what the hosts of the cluster share (default: $QUORATE_SECRET, or a random one kept in DIR and
                   told to the page that the seed serves)
  --signal-only    no store of its own: introduce the others to each other, and grant the founding to the first
  --witness        its host keeps no values, and votes once it is promoted: with two voting tabs the loss of any one is
                   survived. The first host that comes founds the cluster
  --join           found nothing: the cluster exists, and the first host that belongs to it brings this seed back to it.
                   For a seed that lost its folder, and harmless on one that did not
  --hooks FILE     a module (ESM) whose exports the seed's store is opened with: commands, validate, requests. A seed
                   leads more often than others, and stops where it was not given a command that is in use
  --demo           serve the demo, and open the store with its commands
  --json           print the line that says it is ready as JSON`,

  async run(args, terminal) {
    const { values, positionals } = parse(args, options)
    operands(positionals)
    const secret = values.secret ?? terminal.env.QUORATE_SECRET
    if (secret === '') throw new CommandFailed('the secret is empty')
    for (const name of ['host', 'data'] as const) {
      if (values[name] === '') throw new CommandFailed(`--${name} is empty`)
    }
    const demo = values.demo === true ? demoFolder(terminal.home) : undefined
    const hooks = await hooksOf(values.hooks, demo, values['signal-only'] === true)
    const failed = new AbortController()
    const running = await start({
      ...(values.port !== undefined && { port: readPort(values.port) }),
      ...(values.host !== undefined && { host: values.host }),
      ...(values.data !== undefined && { data: values.data }),
      ...(values.cluster !== undefined && { cluster: values.cluster }),
      ...(secret !== undefined && { secret }),
      ...(demo !== undefined && { demo }),
      hooks,
      signalOnly: values['signal-only'] === true,
      witness: values.witness === true,
      join: values.join === true,
      signal: terminal.ended,
      onForeign: error => terminal.warn(`quorate: ${describe(error)}`),
      onError: error => failed.abort(error),
    })
    if (running.host !== undefined) tellOf(running.host, terminal)
    try {
      await terminal.print(readyLine(running, values.json === true))
      if (!running.hasLeader) terminal.warn(`quorate: ${waitingFor(running, values.join === true)}`)
      if (running.host === undefined && values['signal-only'] !== true) {
        terminal.warn(
          'quorate: the group removed this host; the seed only introduces the others to each other',
        )
      }
      await untilAborted(AbortSignal.any([terminal.ended, failed.signal]))
    } finally {
      await running.close()
    }
    if (!failed.signal.aborted) return 0
    terminal.warn(`quorate: ${describe(failed.signal.reason)}`)
    return exitFailed
  },
}

const options = {
  port: { type: 'string' },
  host: { type: 'string' },
  data: { type: 'string' },
  cluster: { type: 'string' },
  secret: { type: 'string' },
  'signal-only': { type: 'boolean' },
  witness: { type: 'boolean' },
  join: { type: 'boolean' },
  hooks: { type: 'string' },
  demo: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

async function start(options: NonNullable<Parameters<typeof startSeed>[0]>): Promise<Seed> {
  try {
    return await startSeed(options)
  } catch (error) {
    if (options.signal?.aborted === true) throw error
    const why = explain(error, options)
    if (why === undefined) throw error
    throw new CommandFailed(why)
  }
}

/** What keeps a seed from starting, in words; undefined for a mistake of this program. */
function explain(error: unknown, { port = 8080, host = '127.0.0.1' }: { port?: number; host?: string }) {
  if (isQuorateError(error)) return describe(error)
  const { code, message, name, syscall } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `port ${port} of ${host} is in use; choose another one with --port`
  if (code === 'EACCES' && syscall === 'listen')
    return `port ${port} of ${host} is not for this user; choose another one with --port`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${host} is no address of this machine (${code})`
  if (name === 'TypeError') return message
  return code === undefined ? undefined : message
}

function describe(error: unknown): string {
  if (isQuorateError(error)) return `${error.message} (${error.code})`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** What has to be mended, of commands and of what came of them. */
function tellOf(host: Host, terminal: Terminal): void {
  host.on('commandFailed', ({ name, error }) => {
    terminal.warn(`quorate: the command ${name} failed: ${describe(error)}`)
  })
  const told = new Set<string>()
  host.on('commandsDiffer', ({ hostId, missingHere }) => {
    const names = missingHere.join(', ')
    if (names === '' || told.has(names) || told.size >= differencesTold) return
    told.add(names)
    const what = `host ${hostId} has commands that this seed was not given (${names})`
    terminal.warn(`quorate: ${what}; the seed stops where they are used: see --hooks`)
  })
  host.on('diverged', ({ revision, isExact, hosts, isQuarantined }) => {
    const where = `${isExact ? 'at' : 'at or before'} revision ${revision}: ${hosts.join(', ')}`
    const here = isQuarantined ? '; this seed is one of them, and answers nothing' : ''
    terminal.warn(`quorate: replicas differ ${where}${here} (DIVERGED)`)
  })
}

/** Of what many pages are given, one is told of. */
const differencesTold = 16

function waitingFor({ host }: Seed, isJoining: boolean): string {
  // It has no part in the store, and its folder knows whose cluster this is: the record of the founding outlives it.
  if (host?.deployment !== undefined && host.info().stores.length === 0) {
    return (
      'this host is new to the cluster, which exists; waiting for a member to let it in. If what the host had was ' +
      'lost, and no member is left, remove host and founding.json from the data folder to begin anew'
    )
  }
  if (host?.deployment !== undefined) {
    return (
      'no leader yet; waiting for the other members. If the storage of too many voters is lost, none will lead: ' +
      'clear that of all hosts to begin anew'
    )
  }
  if (isJoining) return 'this seed knows no cluster yet; waiting for a host that belongs to one'
  return 'this seed knows no cluster yet; the first host that comes founds one, or brings back the one it belongs to'
}

function readyLine({ url, cluster, host }: Seed, asJson: boolean): string {
  if (asJson) return JSON.stringify({ url: `${url}/`, cluster, host: host?.id })
  return `Quorate seed of cluster "${cluster}" is ready: ${url}/`
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw new CommandFailed(`--port ${JSON.stringify(text)} is no port: a number from 0 to 65535`)
}

/** The built demo: beside the built command, or in dist/ where the command runs from its sources. */
function demoFolder(home: URL): string {
  const places = ['../demo/', '../../dist/demo/'].map(place => fileURLToPath(new URL(place, home)))
  const built = places.find(place => existsSync(`${place}main.js`))
  if (built === undefined) throw new CommandFailed('--demo: the demo is not built; npm run build does that')
  return built
}

/** What the application adds to the store, and the commands of the demo, where that is asked for. */
async function hooksOf(path: string | undefined, demo: string | undefined, isSignalOnly: boolean) {
  if (isSignalOnly) {
    if (path !== undefined) throw new CommandFailed('--hooks are for a store, and --signal-only has none')
    return {}
  }
  const ofDemo = demo === undefined ? {} : await loadHooks(`${demo}hooks.js`)
  return path === undefined ? ofDemo : withDemo(ofDemo, await loadHooks(path))
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

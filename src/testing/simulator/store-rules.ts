import type { GroupId, HostId, Revision } from '../../core/types.ts'
import type { StoreHooks } from '../../engine/store-hooks.ts'
import type { StoreCommand } from '../../engine/types.ts'
import type { HostLife } from './simulated-host.ts'
import { commands } from './txn-calls.ts'
import { isForbidden, nameWritten } from './value-names.ts'
import type { Report } from './violation.ts'
import type { VirtualTimers } from './virtual-timers.ts'

/** A request that its handler shall refuse to answer. */
export function isFailing(id: number): boolean {
  return id % 5 === 0
}

interface Request {
  readonly from: HostId
  readonly floor: Revision
  ran: number
  isDenied: boolean
}

/**
 * What the application adds to the stores of a simulation, and what it sees there: rules that are asked about every
 * write, and requests to the leader, each of which may run once.
 */
export class StoreRules {
  private readonly timers: VirtualTimers
  private readonly report: Report
  private readonly requests: Request[] = []
  private readonly writers = new Map<string, HostId>()

  constructor(timers: VirtualTimers, report: Report) {
    this.timers = timers
    this.report = report
  }

  /** A host is about to write a value of this name. */
  writing(name: string, from: HostId): void {
    this.writers.set(name, from)
  }

  /** A host is about to send a request; `floor` is what the leader must have applied. Returns its number. */
  asking(from: HostId, floor: Revision): number {
    return this.requests.push({ from, floor, ran: 0, isDenied: false }) - 1
  }

  /** The reply came, or is lost: nothing is known. */
  answered(id: number, outcome: 'ok' | 'fail' | 'unknown'): void {
    const request = this.requests[id]
    if (request === undefined) return
    if (outcome === 'ok' && request.ran !== 1)
      this.report('request', `request ${id} is answered, and ran ${request.ran} times`)
    if (outcome !== 'fail') return
    request.isDenied = true
    if (request.ran > 0) this.report('request', `request ${id} is said not to have run, and did`)
  }

  hooks(life: HostLife, group: GroupId): StoreHooks {
    return {
      validate: (command, { host }) => this.objection(command, host),
      commands,
      requests: { ask: (id, { from }) => this.run(life, group, Number(id), from) },
    }
  }

  private objection(command: StoreCommand, host: HostId | undefined): string | undefined {
    const name = nameWritten(command)
    if (name === undefined) return undefined
    const writer = this.writers.get(name)
    if (writer !== host) this.report('validate', `${name} of ${writer} comes in the name of ${host}`)
    if (!isForbidden(name)) return undefined
    if (name.endsWith('1')) throw new Error('forbidden')
    return 'forbidden'
  }

  private run(life: HostLife, group: GroupId, id: number, from: HostId): unknown {
    const request = this.requests[id]
    if (request === undefined) return this.report('request', `request ${id} was never asked`)
    request.ran += 1
    if (request.ran > 1) this.report('request', `request ${id} runs a second time`)
    if (request.isDenied) this.report('request', `request ${id} is said not to have run, and does`)
    if (request.from !== from) this.report('request', `request ${id} of ${request.from} comes as of ${from}`)
    const applied = life.stores.get(group)?.status().applied ?? Number.POSITIVE_INFINITY
    if (applied < request.floor)
      this.report('request', `request ${id} runs on a leader of ${applied}, after ${request.floor}`)
    if (isFailing(id)) throw new Error('on purpose')
    if (id % 3 !== 0) return id
    return new Promise(resolve => void this.timers.after((id * 37) % 1000, () => resolve(id)))
  }
}

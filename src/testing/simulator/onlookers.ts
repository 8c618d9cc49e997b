import { isQuorateError } from '../../core/error.ts'
import type { GroupId, Revision } from '../../core/types.ts'
import type { Store } from '../../engine/store/store.ts'
import { type Attending, attendances, historiesOf } from './attendance.ts'
import type { Oracle } from './oracle.ts'
import { type HostLife, hasEnded } from './simulated-host.ts'
import type { Report } from './violation.ts'

interface Onlooker {
  readonly name: string
  readonly life: HostLife
  readonly store: Store
  readonly attending: Attending
  /** Told and not judged yet. */
  readonly told: string[]
  last: string | undefined
  /** Of the states, where the one is that was told last; or what was known when the onlooker came. */
  position: number
  isOver: boolean
}

/**
 * Who watches elections and presence at stores: each is told of states that were there, in their order, from one on
 * that is no older than what was known when it came; and in the end of the one that is.
 */
export class Onlookers {
  private readonly all = new Set<Onlooker>()
  private readonly oracleOf: (group: GroupId) => Oracle
  private readonly historyOf: ReturnType<typeof historiesOf>
  private readonly report: Report
  private readonly attends: readonly Attending[]

  constructor(parts: {
    readonly oracleOf: (group: GroupId) => Oracle
    readonly report: Report
    readonly attends: readonly Attending[]
  }) {
    this.oracleOf = parts.oracleOf
    this.historyOf = historiesOf(parts.oracleOf)
    this.report = parts.report
    this.attends = parts.attends
  }

  attach(life: HostLife, store: Store): void {
    for (const attending of this.attends) this.begin(life, store, attending, this.oracleOf(store.name).floor)
  }

  ended(life: HostLife): void {
    for (const onlooker of this.all) if (onlooker.life === life) this.all.delete(onlooker)
  }

  judge(): void {
    for (const onlooker of this.all) {
      for (const text of onlooker.told) this.judgeOne(onlooker, text)
      onlooker.told.length = 0
    }
  }

  /** One that was not told of what is, in words. */
  behind(): string | undefined {
    for (const { name, store, attending, last, isOver } of this.all) {
      if (isOver || hasEnded(store)) continue
      const { items = [] } = this.historyOf(store.name, attending).states.at(-1) ?? {}
      const present = attendances[attending].show(items)
      if (last !== present) return `${name} was told of ${last}, and ${present} is there`
    }
    return undefined
  }

  private begin(life: HostLife, store: Store, attending: Attending, floor: Revision): void {
    const name = `an onlooker of the ${attending} at ${life.owner.id}`
    const position = this.historyOf(store.name, attending).positionAt(floor)
    const onlooker: Onlooker = {
      ...{ name, life, store, attending, told: [] },
      ...{ last: undefined, position, isOver: false },
    }
    this.all.add(onlooker)
    this.follow(onlooker).catch(error => {
      onlooker.isOver = true
      const isOpen = life.stores.get(store.name) === store && !hasEnded(store)
      if (life.isOver || life.isClosing || life.failure !== undefined || !isOpen) return
      const why = isQuorateError(error) ? error.code : String(error)
      this.report(attending, `${name} ended with ${why}`)
    })
  }

  private async follow({ store, attending, told }: Onlooker): Promise<void> {
    for await (const text of attendances[attending].watch(store)) told.push(text)
  }

  private judgeOne(onlooker: Onlooker, text: string): void {
    const { name, store, attending } = onlooker
    const { states } = this.historyOf(store.name, attending)
    onlooker.last = text
    for (let at = onlooker.position; at < states.length; at++) {
      if (attendances[attending].show(states[at]?.items ?? []) !== text) continue
      onlooker.position = at
      return
    }
    const { revision } = states[onlooker.position] ?? {}
    this.report(attending, `${name} was told of ${text}, which was not there behind ${revision}`)
  }
}

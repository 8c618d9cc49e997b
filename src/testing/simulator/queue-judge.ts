import type { GroupId, Revision } from '../../core/types.ts'
import type { Oracle } from './oracle.ts'
import type { Report } from './violation.ts'

export const queueName = 'work'
const itemsPrefix = `\0$queue\0${queueName}\0i`
const claimsPrefix = `\0$queue\0${queueName}\0c`

interface Item {
  readonly name: string
  readonly pushedAt: Revision
  /** The token of who has it. */
  claim: Revision | undefined
}

export interface Acknowledged {
  readonly revision: Revision
  readonly token: Revision
}

/**
 * A queue as the log has it: items are in the order in which they were pushed; whatever is taken or claimed is the
 * first that nobody has; and an item goes by being taken once, or by the word of who has the claim to it.
 */
export class QueueJudge {
  /** Where items were taken, by their names. */
  readonly taken = new Map<string, Revision>()
  readonly acknowledged = new Map<string, Acknowledged>()
  /** Tokens in whose name an item may go; and those that were told that it did not. */
  readonly acknowledging = new Set<Revision>()
  readonly denied = new Set<Revision>()
  readonly pushed = new Set<string>()
  /** By the ends of their keys, in the order of these. */
  private readonly items = new Map<string, Item>()
  private readonly group: GroupId
  private readonly oracle: Oracle
  private readonly report: Report
  private position = 0

  constructor(group: GroupId, oracle: Oracle, report: Report) {
    this.group = group
    this.oracle = oracle
    this.report = report
  }

  /** Judges what was written since this was asked last. */
  judge(): void {
    const { changes } = this.oracle
    for (; this.position < changes.length; this.position++) {
      const { key = '', value = null, revision = 0 } = changes[this.position] ?? {}
      if (key.startsWith(itemsPrefix)) {
        const id = key.slice(itemsPrefix.length)
        if (value === null) this.gone(id, revision)
        else this.came(id, value, revision)
      } else if (key.startsWith(claimsPrefix)) {
        const item = this.items.get(key.slice(claimsPrefix.length))
        if (value === null) {
          if (item !== undefined) item.claim = undefined
        } else this.claimed(item, revision)
      }
    }
  }

  private came(id: string, name: string, revision: Revision): void {
    if (this.items.has(id) || Number.parseInt(id, 36) !== revision)
      this.fail(`${name} came at ${revision} to the place of ${id}`)
    if (!this.pushed.has(name)) this.fail(`${name} came at ${revision}, and nobody pushed it`)
    this.oracle.took(name, revision)
    this.items.set(id, { name, pushedAt: revision, claim: undefined })
  }

  private claimed(item: Item | undefined, revision: Revision): void {
    if (item === undefined || item !== this.firstFree())
      this.fail(`${item?.name} was claimed at ${revision}, before ${this.firstFree()?.name}`)
    if (item === undefined) return
    if (item.claim !== undefined)
      this.fail(`${item.name} was claimed at ${revision}, and token ${item.claim} had it`)
    item.claim = revision
  }

  private gone(id: string, revision: Revision): void {
    const item = this.items.get(id)
    if (item === undefined) return this.fail(`what never was there went at ${revision}`)
    const { name, claim } = item
    if (claim === undefined) {
      if (item !== this.firstFree())
        this.fail(`${name} was taken at ${revision}, before ${this.firstFree()?.name}`)
      this.taken.set(name, revision)
    } else {
      if (!this.acknowledging.has(claim) || this.denied.has(claim))
        this.fail(`${name} went at ${revision}, and token ${claim} had it, and never let it go`)
      this.acknowledged.set(name, { revision, token: claim })
    }
    this.items.delete(id)
  }

  private firstFree(): Item | undefined {
    for (const item of this.items.values()) if (item.claim === undefined) return item
    return undefined
  }

  private fail(message: string): void {
    this.report('queue', `${this.group}: ${message}`)
  }
}

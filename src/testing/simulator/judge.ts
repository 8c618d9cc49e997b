import type { GroupId, Revision } from '../../core/types.ts'
import { twinKeys } from './call-kinds.ts'
import { type Call, isLinearizable, isRead } from './calls.ts'
import type { Oracle } from './oracle.ts'
import type { Scenario } from './scenario.ts'
import { isFailing, type StoreRules } from './store-rules.ts'
import { isForbidden } from './value-names.ts'
import type { Report } from './violation.ts'

export type Answer = {
  readonly ok?: boolean
  readonly value?: unknown
  readonly revision?: Revision
  readonly modRevision?: Revision
}

export type ScanResult = readonly (readonly [
  string,
  { readonly value: string; readonly revision: Revision },
])[]

/** Judges every answer by the oracle of its group. */
export class Judge {
  private readonly oracleOf: (group: GroupId) => Oracle
  private readonly rules: StoreRules
  private readonly report: Report
  private readonly isEvicting: boolean

  constructor(parts: {
    readonly oracleOf: (group: GroupId) => Oracle
    readonly rules: StoreRules
    readonly report: Report
    readonly scenario: Scenario
  }) {
    this.oracleOf = parts.oracleOf
    this.rules = parts.rules
    this.report = parts.report
    this.isEvicting = parts.scenario.engine.machine !== undefined
  }

  judge(call: Call): void {
    const { op, outcome, args, code, committed } = call
    const name = String(args.at(-1))
    const isNamed =
      call.judge === undefined && !isRead(call) && !['delete', 'barrier', 'request'].includes(op)
    if (outcome === 'fail' && isNamed) this.oracleOf(call.group).refused(name)
    // What was committed for a session that is over is tried anew, which may fail.
    if (outcome === 'fail' && committed !== undefined && !this.isEvicting)
      this.report('denied-write', `${op} ${name} is said to have failed, and to be committed at ${committed}`)
    if (code === 'REFUSED' && !(isNamed && isForbidden(name)))
      this.report('validate', `${op} ${name} was refused, and no rule forbids it`)
    if (call.judge !== undefined) return call.judge(call)
    if (op === 'request') return this.judgeRequest(call)
    if (outcome !== 'ok') return
    if (isNamed && isForbidden(name)) this.report('validate', `${op} ${name} is forbidden, and was answered`)
    if (isRead(call)) this.judgeRead(call)
    else this.judgeWrite(call, name)
  }

  private judgeWrite({ group, key, op, args, floor, result, committed }: Call, value: string): void {
    const oracle = this.oracleOf(group)
    const { ok = true, revision = 0, ...rest } = result as Answer
    // Later than it was told only where the session was evicted, and the write tried anew.
    if (ok && committed !== undefined && committed > revision)
      this.report(
        'commit',
        `${value} is written at ${revision}, and was told to be committed at ${committed}`,
      )
    const found = (rest.value ?? null) as string | null
    switch (op) {
      case 'put':
        oracle.wrote(key, revision, value, floor)
        break
      case 'together':
        for (const [at, twin] of twinKeys.entries()) oracle.wrote(twin, revision, String(args[at]), floor)
        break
      case 'delete':
        if (ok) oracle.wrote(key, revision, null, floor)
        else oracle.found(key, null, 0, floor)
        break
      case 'insert':
      case 'compareAndSwap': {
        const expected = op === 'insert' ? null : (args[0] as string | null)
        if (!ok) {
          oracle.found(key, found, revision, floor)
          if (found === expected)
            this.report('condition', `${op} of ${key} failed, and found what it expected`)
          break
        }
        const before = oracle.wrote(key, revision, value, floor)
        if (before !== expected)
          this.report('condition', `${op} of ${key} expected ${expected}, and met ${before}`)
        break
      }
      case 'barrier':
      case 'broadcast':
        oracle.logged(op === 'broadcast' ? value : undefined, revision, floor)
    }
  }

  private judgeRead(call: Call): void {
    const { group, key, op, result } = call
    const oracle = this.oracleOf(group)
    const floor = isLinearizable(call) ? call.floor : op.startsWith('session') ? call.seen : 0
    if (op === 'members') return oracle.members((result as Answer).revision ?? 0, Number(call.args[0]))
    if (op.endsWith('can')) return oracle.scanned(new Map(result as ScanResult), floor)
    const { value = null, modRevision = 0 } = result as Answer
    oracle.found(key, value as string | null, modRevision, floor)
    // Whatever was applied anywhere is committed: reads that begin now must see it, wherever it was seen.
    oracle.floor = Math.max(oracle.floor, modRevision)
  }

  private judgeRequest({ args, outcome = 'unknown', code, result }: Call): void {
    const id = Number(args[0])
    if (outcome === 'ok' && (result as Answer).value !== id)
      this.report('request', `request ${id} got the reply to another one`)
    if (isFailing(id) ? outcome === 'ok' : code === 'REQUEST_FAILED')
      this.report('request', `request ${id} ended with ${code}`)
    this.rules.answered(id, outcome)
  }
}

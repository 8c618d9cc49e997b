import type { GroupId, Revision } from '../../core/types.ts'
import {
  type ModelOutcome,
  type ModelState,
  type ModelTransaction,
  runOnModel,
} from '../checkers/transaction-model.ts'
import { valueText } from '../checkers/value.ts'
import type { Call } from './calls.ts'
import type { Oracle } from './oracle.ts'
import type { Report } from './violation.ts'

/** What an entry of the log shall do: as a model does it that is alone with the state before. */
export interface Deed {
  /** Which keys it may read or write. */
  readonly concerns: (key: string) => boolean
  readonly run: (model: ModelTransaction) => unknown
}

/**
 * Transactions and commands, and what a model says of each: of its answer, where there is one, and of all that was
 * written at its revision, whether anybody was answered or not. The order of the log is the one in which the model does
 * them, and no answer may come from before its call: so the whole is strictly serializable.
 */
export class Deeds {
  private readonly oracleOf: (group: GroupId) => Oracle
  private readonly report: Report
  /** By the names of the values that they write. */
  private readonly byName = new Map<string, Deed>()
  /** How many changes of each group were judged. */
  private readonly judged = new Map<GroupId, number>()

  constructor(parts: { readonly oracleOf: (group: GroupId) => Oracle; readonly report: Report }) {
    this.oracleOf = parts.oracleOf
    this.report = parts.report
  }

  expect(names: readonly string[], deed: Deed): void {
    for (const name of names) this.byName.set(name, deed)
  }

  /** Judges what was written since this was asked last. */
  judge(group: GroupId): void {
    const { changes } = this.oracleOf(group)
    let position = this.judged.get(group) ?? 0
    while (position < changes.length) {
      const revision = changes[position]?.revision ?? 0
      let deed: Deed | undefined
      for (; changes[position]?.revision === revision; position++)
        deed ??= this.byName.get(changes[position]?.value ?? '')
      if (deed !== undefined) this.judgeWrites(group, revision, deed, this.outcomeOf(group, revision, deed))
    }
    this.judged.set(group, position)
  }

  /** The group says that it was done at that revision, and what came of it. */
  answered(call: Call, deed: Deed, { revision, answer }: { revision: Revision; answer: unknown }): void {
    const { group, floor, op } = call
    this.oracleOf(group).acknowledged(revision, floor)
    const outcome = this.outcomeOf(group, revision, deed)
    if (outcome.failed !== undefined)
      return this.fail(call.group, `${op} at ${revision} was answered, and fails with ${outcome.failed}`)
    const expected = valueText(outcome.answer)
    const told = valueText(answer)
    if (told !== expected)
      this.fail(group, `${op} at ${revision} was answered by ${told}, where ${expected} is right`)
    this.judgeWrites(group, revision, deed, outcome)
  }

  private outcomeOf(group: GroupId, revision: Revision, deed: Deed): ModelOutcome {
    return runOnModel(this.stateAt(group, revision - 1, deed), revision, deed.run)
  }

  private stateAt(group: GroupId, revision: Revision, { concerns }: Deed): ModelState {
    const items = this.oracleOf(group).itemsAt(revision, concerns)
    return new Map(items.map(item => [item.key, item]))
  }

  /** Whether all that was done at that revision, among what it concerns, is what it does. */
  explains(group: GroupId, revision: Revision, deed: Deed): boolean {
    const { told, expected } = this.comparison(group, revision, deed, this.outcomeOf(group, revision, deed))
    return told === expected
  }

  private judgeWrites(group: GroupId, revision: Revision, deed: Deed, outcome: ModelOutcome): void {
    const { told, expected } = this.comparison(group, revision, deed, outcome)
    if (told !== expected) this.fail(group, `${told} stands since ${revision}, where ${expected} is right`)
    const { changes, positionOf } = this.oracleOf(group)
    for (let at = positionOf(revision); changes[at]?.revision === revision; at++) {
      const { key = '' } = changes[at] ?? {}
      if (!deed.concerns(key)) this.fail(group, `${key} was written at ${revision} by what has no part in it`)
    }
  }

  private comparison(group: GroupId, revision: Revision, deed: Deed, { state }: ModelOutcome) {
    const told = valueText([...this.stateAt(group, revision, deed).values()])
    const expected = valueText([...state.values()].sort((left, right) => (left.key < right.key ? -1 : 1)))
    return { told, expected }
  }

  private fail(group: GroupId, message: string): void {
    this.report('serializability', `${group}: ${message}`)
  }
}

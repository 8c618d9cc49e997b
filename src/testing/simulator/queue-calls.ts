import type { GroupId } from '../../core/types.ts'
import type { Message } from '../../engine/recipes/queue.ts'
import type { CallOptions } from '../../engine/types.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'
import { holdTtlsMs, type Lines, type Place, turnWaitsMs } from './lines.ts'
import { QueueJudge, queueName } from './queue-judge.ts'
import { RangeHistory } from './range-history.ts'
import { nameOf } from './value-names.ts'

/** Time to take an item of a healed cluster, and to be sure that a taker waits. */
const emptyMs = 60_000
const emptyPauseMs = 300

/** What is known of a group's queue, and of those who take from it. */
interface Book {
  readonly judge: QueueJudge
  readonly sizes: RangeHistory
  /** By the names of the items: whoever was given it for good. */
  readonly takers: Map<string, string>
  /** Takers that were told what they took. */
  told: number
  /** Those who have not been told, or never will be: each of them may have had one item. */
  untold: number
}

/** Queues: some push, some take, some receive and acknowledge, late perhaps, or let it come back. */
export class QueueCalls implements SpecialCalls {
  private readonly desk: Desk
  private readonly lines: Lines
  private readonly books = new Map<GroupId, Book>()

  constructor(desk: Desk, lines: Lines) {
    this.desk = desk
    this.lines = lines
  }

  async call(worker: Worker): Promise<void> {
    const choice = this.desk.random()
    if (choice < 0.5) await this.push(worker)
    else if (choice < 0.72) await this.take(worker)
    else if (choice < 0.95) await this.receive(worker)
    else await this.count(worker)
  }

  /** Judges what was written since this was asked last. */
  judge(group: GroupId): void {
    const book = this.books.get(group)
    if (book === undefined) return
    book.judge.judge()
    const lost = book.judge.taken.size - book.told
    if (lost > book.untold)
      this.fail(group, `${lost} items are gone, of takers that are ${book.untold} at most`)
  }

  private async push(worker: Worker, bounds?: CallOptions): Promise<void> {
    const { desk } = this
    const { life, store } = worker
    const name = desk.name(life)
    this.bookOf(store.name).judge.pushed.add(name)
    const judge = ({ group, outcome, result, floor }: Call) => {
      this.judge(group)
      const oracle = desk.oracleOf(group)
      if (outcome === 'fail') oracle.refused(name)
      if (outcome !== 'ok') return
      const { revision } = result as { readonly revision: number }
      if (oracle.placeOf(name) !== revision)
        this.fail(group, `${name} was pushed at ${revision}, and came at ${oracle.placeOf(name)}`)
      oracle.acknowledged(revision, floor)
    }
    const push = async () => (await store.queue(queueName)).push(desk.long(name), bounds ?? desk.bounds())
    await desk.make(worker, { op: 'queue', args: ['push', name], judge }, push)
  }

  /** Takes what is left, and then waits for what another one pushes: whoever waits must be told of it. */
  async empty(worker: Worker, pusher: Worker): Promise<void> {
    const { sizes } = this.bookOf(worker.store.name)
    const deadlineMs = emptyMs
    while ((sizes.states.at(-1)?.items.length ?? 0) > 0)
      if (!(await this.take(worker, { deadlineMs }))) return
    const waiting = this.take(worker, { deadlineMs })
    await this.desk.pause(emptyPauseMs)
    await this.push(pusher, {})
    await waiting
  }

  /** Whether it had one. */
  private async take(worker: Worker, bounds?: CallOptions): Promise<boolean> {
    const { desk } = this
    let isTaken = false
    const { store, client } = worker
    const book = this.bookOf(store.name)
    const judge = ({ group, outcome, code, result, floor }: Call) => {
      this.judge(group)
      if (outcome !== 'unknown') book.untold -= 1
      if (bounds !== undefined && code === 'TIMEOUT')
        desk.report(
          'stuck',
          `${group}: nothing was taken within ${bounds.deadlineMs} ms, and there was something`,
        )
      if (outcome === 'ok') {
        isTaken = true
        const name = String(result)
        const other = book.takers.get(name)
        const revision = book.judge.taken.get(name)
        if (other !== undefined) this.fail(group, `${name} was given to ${other} and to ${client}`)
        if (revision === undefined) this.fail(group, `${name} was given to ${client}, and was not taken`)
        else desk.oracleOf(group).acknowledged(revision, floor)
        book.takers.set(name, client)
        book.told += 1
      }
      this.judge(group)
    }
    const take = async () => {
      book.untold += 1
      const options = bounds ?? { deadlineMs: desk.pick(turnWaitsMs), ...desk.bounds() }
      return nameOf(String(await (await store.queue(queueName)).take(options)))
    }
    await desk.make(worker, { op: 'queue', args: ['take'], judge }, take)
    return isTaken
  }

  private async receive(worker: Worker): Promise<void> {
    const { desk, lines } = this
    const { store } = worker
    this.bookOf(store.name)
    const ttlMs = desk.pick(holdTtlsMs)
    let message: Message | undefined
    let place: Place | undefined
    const judge = (call: Call) => {
      if (call.outcome !== 'ok' || place === undefined) return
      lines.judgeHeld(call, place)
      const { items } = this.bookOf(call.group).sizes.at(place.token)
      const id = place.key.slice(-11)
      const there = items.find(({ key }) => key.endsWith(id))?.value
      if (there !== call.result)
        this.fail(call.group, `${call.result} was received at ${place.token}, where ${there} was claimed`)
    }
    const receive = async () => {
      const options = { ttlMs, deadlineMs: desk.pick(turnWaitsMs), ...desk.bounds() }
      message = await (await store.queue(queueName)).receive(options)
      place = lines.given(worker, message, ttlMs, 1)
      return nameOf(String(message.value))
    }
    await desk.make(worker, { op: 'queue', args: ['receive', ttlMs], judge }, receive)
    if (message === undefined || place === undefined) return
    await desk.pause(desk.below(400))
    if (desk.random() < 0.2 && !desk.isStopped) await lines.standStill(worker, ttlMs)
    if (desk.random() < 0.7 && !desk.isStopped) await this.acknowledge(worker, message, place)
    await lines.release(worker, message)
  }

  private async acknowledge(worker: Worker, message: Message, place: Place): Promise<void> {
    const { desk, lines } = this
    const { token } = place
    const name = nameOf(String(message.value))
    const book = this.bookOf(worker.store.name)
    const judge = (call: Call) => {
      const { group, outcome, floor } = call
      this.judge(group)
      const done = book.judge.acknowledged.get(name)
      const isDone = done?.token === token
      if (outcome === 'fail') {
        book.judge.denied.add(token)
        if (isDone) this.fail(group, `${name} was not to be acknowledged by token ${token}, and was`)
      }
      lines.judgeLost(call, place, name)
      if (outcome !== 'ok') return
      if (!isDone) this.fail(group, `${name} was acknowledged by token ${token}, and went by ${done?.token}`)
      else desk.oracleOf(group).acknowledged(done.revision, floor)
      const other = book.takers.get(name)
      if (other !== undefined) this.fail(group, `${name} was given to ${other} and to ${call.client}`)
      book.takers.set(name, call.client)
    }
    const acknowledge = () => {
      book.judge.acknowledging.add(token)
      // It lets go of the claim as soon as the item is gone.
      lines.letGo(worker, token)
      return message.acknowledge(desk.bounds())
    }
    await desk.make(worker, { op: 'queue', args: ['acknowledge', token, name], judge }, acknowledge)
  }

  private async count(worker: Worker): Promise<void> {
    const { desk } = this
    const judge = ({ group, outcome, result, floor }: Call) => {
      const { sizes } = this.bookOf(group)
      if (outcome === 'ok' && sizes.find(floor, items => items.length === result) === undefined)
        this.fail(group, `${result} items were never there since ${floor} was known`)
    }
    const size = async () => (await worker.store.queue(queueName)).size(desk.bounds())
    await desk.make(worker, { op: 'queue', args: ['size'], judge }, size)
  }

  private bookOf(group: GroupId): Book {
    let book = this.books.get(group)
    if (book === undefined) {
      const oracle = this.desk.oracleOf(group)
      const prefix = `\0$queue\0${queueName}\0i`
      book = {
        judge: new QueueJudge(group, oracle, this.desk.report),
        sizes: new RangeHistory(oracle, key => key.startsWith(prefix)),
        takers: new Map(),
        told: 0,
        untold: 0,
      }
      this.books.set(group, book)
    }
    return book
  }

  private fail(group: GroupId, message: string): void {
    this.desk.report('queue', `${group}: ${message}`)
  }
}

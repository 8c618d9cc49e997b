import type { Lease } from '../../engine/store/lease.ts'
import type { Call } from './calls.ts'
import type { Desk, SpecialCalls, Worker } from './desk.ts'

/** From as short as they may be to longer than an election. */
const ttlsMs = [1000, 3000, 6000] as const

const keys = ['k lease 0', 'k lease 1', 'k lease 2'] as const

/** Leases: keys are put with them, and they are held for a while. */
export class LeaseCalls implements SpecialCalls {
  private readonly desk: Desk

  constructor(desk: Desk) {
    this.desk = desk
  }

  async call(worker: Worker): Promise<void> {
    const { desk } = this
    const { store, life } = worker
    const ttlMs = desk.pick(ttlsMs)
    let lease: Lease | undefined
    const grant = async () => {
      const given = await store.lease(ttlMs, desk.bounds())
      lease = given
      desk.leasesOf(store.name)?.holds(life, given, ttlMs)
      return given.id
    }
    const judge = ({ group, outcome, result, floor }: Call) => {
      if (outcome === 'ok') desk.oracleOf(group).acknowledged(Number(result), floor)
    }
    await desk.make(worker, { op: 'lease', args: [ttlMs], judge }, grant)
    if (lease === undefined) return
    for (let left = 1 + desk.below(3); left > 0 && !desk.isStopped; left--) {
      await this.put(worker, lease)
      await desk.pause(desk.below(500))
    }
    const pauses = desk.random() < 0.3 ? desk.below((3 * ttlMs) / 200) : 0
    for (let left = pauses; left > 0 && !desk.isStopped && !lease.signal.aborted; left--)
      await desk.pause(200)
    // Where that does not arrive it ends by itself.
    await lease.revoke().catch(() => {})
  }

  private async put(worker: Worker, lease: Lease): Promise<void> {
    const { desk } = this
    const key = desk.pick(keys)
    const name = desk.name(worker.life)
    const judge = ({ group, outcome, result, floor }: Call) => {
      const oracle = desk.oracleOf(group)
      if (outcome === 'fail') oracle.refused(name)
      if (outcome !== 'ok') return
      const { revision } = result as { readonly revision: number }
      oracle.wrote(key, revision, name, floor)
      if (oracle.itemAt(key, revision)?.lease !== lease.id)
        desk.report('lease', `${name} at ${revision} does not go with lease ${lease.id}`)
    }
    const options = { lease: lease.id, ...desk.bounds() }
    const put = () => worker.store.put(key, desk.full(name), options)
    await desk.make(worker, { op: 'leased', key, args: [lease.id, name], judge }, put)
  }
}

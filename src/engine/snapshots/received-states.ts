import { assert } from '../../base/assert.ts'
import type { MachineState } from '../../core/machine/state.ts'
import type { Snapshot } from '../../core/raft/types.ts'

/** States of snapshots that Raft has heard of, and may accept until the next pump is over. */
export class ReceivedStates {
  private received: { readonly snapshot: Snapshot; readonly state: MachineState }[] = []

  add(snapshot: Snapshot, state: MachineState): void {
    this.received.push({ snapshot, state })
  }

  at({ index, term }: Snapshot): MachineState {
    const found = this.received.find(({ snapshot }) => snapshot.index === index && snapshot.term === term)
    assert(found !== undefined, 'an accepted snapshot has its state at hand')
    return found.state
  }

  clear(): void {
    this.received = []
  }
}

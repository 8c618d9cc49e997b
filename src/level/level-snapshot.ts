import type { StoreView } from '../engine/transactions/store-view.ts'
import { AbstractSnapshot } from './abstract-level.ts'

/** A view that the database opened; where that failed, whoever reads from it is told. */
export class LevelSnapshot extends AbstractSnapshot {
  readonly view: Promise<StoreView>
  private readonly closed: () => void

  constructor(options: object, view: Promise<StoreView>, closed: () => void) {
    // The types of abstract-level leave out what its subclasses are given.
    super(...([options] as unknown as []))
    this.view = view
    this.closed = closed
  }

  protected async _close(): Promise<void> {
    this.closed()
  }
}

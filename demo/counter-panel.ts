import { absent } from '../src/browser.ts'
import { byId } from './dom.ts'
import { Message } from './message.ts'
import type { Session } from './session.ts'

const key = 'counter'
const many = 10

/** A counter that loses no step, whoever else counts: `compareAndSwap` in a loop. */
export class CounterPanel {
  private readonly session: Session
  private readonly output = byId('counter-value', HTMLElement)
  private readonly message = new Message('counter-message')

  constructor(session: Session) {
    this.session = session
    byId('counter-one', HTMLElement).addEventListener('click', () => this.count(1))
    byId('counter-many', HTMLElement).addEventListener('click', () => this.count(many))
  }

  render(): void {
    this.output.textContent = `${numberOf(this.session.keys.get(key)?.value)}`
  }

  private count(steps: number): void {
    void this.message.around(async () => {
      const tries = await Promise.all(Array.from({ length: steps }, () => this.addOne()))
      const total = tries.reduce((sum, count) => sum + count, 0)
      const retries = total - steps
      const swaps = steps === 1 ? 'One swap' : `${steps} swaps`
      this.message.say(
        retries === 0 ? `${swaps}, none lost` : `${swaps}, none lost, ${retries} tried again`,
        'good',
      )
    })
  }

  /**
   * Adds one; returns how many tries it took. Whoever loses is told the present value, and tries with that.
   */
  private async addOne(): Promise<number> {
    const { store, latency, keys } = this.session
    let seen = keys.get(key)?.value
    for (let tries = 1; ; tries++) {
      const expected = seen === undefined ? absent : seen
      const next = numberOf(seen) + 1
      const { ok, value } = await latency.measure(() => store.compareAndSwap(key, expected, next))
      if (ok) return tries
      seen = value
    }
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

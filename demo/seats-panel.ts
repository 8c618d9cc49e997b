import { describeError } from './describe-error.ts'
import { byId, coalesced, element } from './dom.ts'
import { hueOf, shortName } from './host-name.ts'
import { LiveKeys } from './live-keys.ts'
import { Message } from './message.ts'
import { type Attempt, type Booking, bookSeat, clearSeats, seatCount, seatKey, seatTable } from './seats.ts'
import type { Session } from './session.ts'

const randomSeats = 10

/** Told to the document, for tests: this page has the word of the store that the seat is its own. */
export interface BookedEvent {
  readonly seat: number
  readonly by: string
}

/** A hall of seats, each of which is booked once, by a command that runs on every replica. */
export class SeatsPanel {
  private readonly session: Session
  private readonly message = new Message('seats-message')
  private readonly seats: readonly HTMLButtonElement[]
  private readonly bookings: LiveKeys

  constructor(session: Session) {
    this.session = session
    this.seats = Array.from({ length: seatCount }, (_, seat) => this.seatButton(seat))
    byId('seats', HTMLElement).replaceChildren(...this.seats)
    this.bookings = new LiveKeys(
      session.store.table(seatTable),
      coalesced(() => this.render()),
    )
    byId('seats-random', HTMLElement).addEventListener('click', () => void this.bookAtRandom())
    byId('seats-clear', HTMLElement).addEventListener('click', () => void this.clear())
  }

  /** Keeps the hall current for as long as the page lives. */
  async follow(): Promise<void> {
    await this.bookings.follow(error => this.message.say(describeError(error), 'bad'))
  }

  private seatButton(seat: number): HTMLButtonElement {
    const button = element('button', { type: 'button', title: `seat ${seat + 1}` })
    button.addEventListener('click', () => void this.message.around(() => this.book(seat)))
    return button
  }

  private get name(): string {
    return shortName(this.session.host.id)
  }

  private async book(seat: number): Promise<void> {
    const { store, latency } = this.session
    const { ok, booking } = await latency.measure(() =>
      store.command<Attempt>(bookSeat, { seat, by: this.name }),
    )
    if (ok) {
      document.dispatchEvent(new CustomEvent<BookedEvent>('booked', { detail: { seat, by: booking.by } }))
      this.message.say(`Seat ${seat + 1} is yours`, 'good')
    } else {
      const owner = booking.by === this.name ? 'you' : booking.by
      this.message.say(`Seat ${seat + 1} was taken before, by ${owner}`, 'bad')
    }
  }

  private bookAtRandom(): Promise<boolean> {
    return this.message.around(async () => {
      const picked = Array.from({ length: randomSeats }, () => Math.floor(Math.random() * seatCount))
      await Promise.all(picked.map(seat => this.book(seat)))
    })
  }

  private clear(): Promise<boolean> {
    return this.message.around(async () => {
      const count = await this.session.store.command<number>(clearSeats, null)
      this.message.say(`${count} bookings are gone`)
    })
  }

  private render(): void {
    let taken = 0
    let own = 0
    for (const [seat, button] of this.seats.entries()) {
      const booking = this.bookings.get(seatKey(seat))?.value as Booking | undefined
      const state = booking === undefined ? 'free' : booking.by === this.name ? 'own' : 'taken'
      if (state !== 'free') taken += 1
      if (state === 'own') own += 1
      if (button.dataset.state === state && button.dataset.by === (booking?.by ?? '')) continue
      button.dataset.state = state
      button.dataset.by = booking?.by ?? ''
      button.title = booking === undefined ? `seat ${seat + 1}` : `seat ${seat + 1}: ${booking.by}`
      button.style.setProperty('--hue', booking === undefined ? '' : hueOf(booking.by))
    }
    byId('seats-count', HTMLElement).textContent = `${taken} of ${seatCount} taken, ${own} by you`
  }
}

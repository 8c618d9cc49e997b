import type { Commands } from '../src/index.ts'

export const seatCount = 500
export const seatTable = 'seats'
export const bookSeat = 'seat.book@1'
export const clearSeats = 'seat.clear@1'

/** Who has a seat. */
export interface Booking {
  readonly by: string
  /** Milliseconds since 1970, by the clock of the leader. */
  readonly at: number
}

/** What became of an attempt: a seat has the booking that came first, whoever asks. */
export interface Attempt {
  readonly ok: boolean
  readonly booking: Booking
}

/** In the order of the seats. */
export function seatKey(seat: number): string {
  return `${seat}`.padStart(4, '0')
}

/**
 * The commands of the demo. They run on every replica, so the page and the seed are both given them: the seed by
 * `--hooks`, or because it serves the demo.
 */
export const commands: Commands = {
  [bookSeat](tx, { seat, by }: { readonly seat: number; readonly by: string }, { now }): Attempt {
    if (!Number.isInteger(seat) || seat < 0 || seat >= seatCount)
      throw new RangeError('there is no such seat')
    const seats = tx.table(seatTable)
    const present = seats.get<Booking>(seatKey(seat))
    if (present !== undefined) return { ok: false, booking: present }
    const booking = { by, at: now }
    seats.put(seatKey(seat), booking)
    return { ok: true, booking }
  },

  [clearSeats]: tx => tx.table(seatTable).deleteRange({}),
}

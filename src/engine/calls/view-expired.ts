import { QuorateError } from '../../core/error.ts'

export function viewExpired(cause?: unknown): QuorateError {
  return new QuorateError('VIEW_EXPIRED', 'the host that held the view is gone, or let go of it', { cause })
}

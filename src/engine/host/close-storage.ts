import type { Clock } from '../../clock/clock.ts'
import { QuorateError } from '../../core/error.ts'
import { storageCloseMs } from '../../core/limits.ts'
import type { Storage } from '../../storage/storage.ts'

/** A disk that hangs must not keep a process from ending. What it did not finish was not acknowledged. */
export function closeStorage({
  clock,
  storage,
}: {
  readonly clock: Clock
  readonly storage: Storage
}): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(storageCloseMs, () => {
      reject(new QuorateError('STORAGE_FAILED', 'the disk does not finish what it was given'))
    })
    storage.close().then(resolve, reject).finally(cancel)
  })
}

import { QuorateError } from '../core/error.ts'

/**
 * Takes the Web Lock of the database of that name, which ends with the tab at the latest. Rejects with STORAGE_LOCKED
 * while another tab has it, with INSECURE_CONTEXT where there are no Web Locks. Returns the release.
 */
export function lockDatabase(
  name: string,
  locks: LockManager | undefined = globalThis.navigator?.locks,
): Promise<() => void> {
  if (locks === undefined) {
    const message = 'this page has no Web Locks: open it over https or on localhost'
    return Promise.reject(new QuorateError('INSECURE_CONTEXT', message))
  }
  return new Promise((resolve, reject) => {
    const held = locks.request(`quorate:${name}`, { ifAvailable: true }, lock => {
      if (lock === null)
        throw new QuorateError('STORAGE_LOCKED', 'another tab has the storage', { retryable: true })
      return new Promise<void>(release => resolve(release))
    })
    held.catch(reject)
  })
}

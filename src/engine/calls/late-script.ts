import { QuorateError } from '../../core/error.ts'

/**
 * A part of this library that a page loads when it is used first; later uses share it. What it gives rejects with
 * UNREACHABLE where the script cannot be had, and the next use tries again.
 */
export function lateScript<Module>(load: () => Promise<Module>): () => Promise<Module> {
  let loading: Promise<Module> | undefined
  return () => {
    loading ??= load().catch(cause => {
      loading = undefined
      throw new QuorateError('UNREACHABLE', 'a script could not be loaded', { retryable: true, cause })
    })
    return loading
  }
}

import type { StoreHooks } from './types.ts'

/** The hooks among the options. Throws TypeError on what is none. */
export function checkHooks({ validate, requests }: StoreHooks): StoreHooks {
  if (validate !== undefined && typeof validate !== 'function') throw new TypeError('validate is a function')
  if (requests !== undefined && Object.values(requests).some(handler => typeof handler !== 'function'))
    throw new TypeError('requests holds a function for each name')
  return { ...(validate && { validate }), ...(requests && { requests }) }
}

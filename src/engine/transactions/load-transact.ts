import { lateScript } from '../calls/late-script.ts'

/** The script of `store.transact`, which the first transaction loads. */
export const loadTransact = lateScript(() => import('./transact.ts'))

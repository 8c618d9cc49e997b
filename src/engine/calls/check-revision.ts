/** Throws TypeError on what is neither a revision nor left out. */
export function checkRevision(revision: unknown, name: string): void {
  if (revision === undefined || (Number.isSafeInteger(revision) && (revision as number) > 0)) return
  throw new TypeError(`${name} must be a revision: an integer from 1`)
}

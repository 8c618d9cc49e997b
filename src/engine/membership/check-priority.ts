/** Throws TypeError on what is no priority. */
export function checkPriority(priority: unknown): void {
  if (Number.isSafeInteger(priority) && (priority as number) >= 0) return
  throw new TypeError('a priority is an integer from 0')
}

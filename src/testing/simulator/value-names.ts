import type { StoreCommand } from '../../engine/types.ts'

/** What tells a value from every other one; the rest only makes it longer. */
export function nameOf(value: string): string {
  const end = value.indexOf('.')
  return end < 0 ? value : value.slice(0, end)
}

/** Values of such names are refused by the stores' own rules: half of them by a reason, half by a rule that throws. */
export function isForbidden(name: string): boolean {
  return name.startsWith('x')
}

/** The name of the value that a command brings, if it does. */
export function nameWritten(command: StoreCommand): string | undefined {
  switch (command.type) {
    case 'put':
    case 'insert':
      return nameOf(String(command.value))
    case 'compareAndSwap':
      return nameOf(String(command.next))
    case 'broadcast':
      return nameOf(String(command.body))
    case 'delete':
    case 'command':
      return undefined
  }
}

/** A value as text: equal for equal data, whatever the order of an object's keys. Null: there is no value. */
export type ValueText = string | null

/** The text of a value that JSON can hold. Null and undefined stand for "absent". */
export function valueText(value: unknown): ValueText {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object') return JSON.stringify(value)
  return JSON.stringify(value, (_, part: unknown) => (isRecord(part) ? sorted(part) : part))
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sorted(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = Object.keys(record).sort()
  return Object.fromEntries(names.map(name => [name, record[name]]))
}

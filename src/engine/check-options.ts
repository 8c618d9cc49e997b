/**
 * Throws TypeError on what are no options: what is not given is left out, or undefined, and null nowhere. Called before
 * anything is done.
 */
export function checkOptions(options: object, name = 'options'): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`${name} must be an object`)
  for (const option in options)
    if (options[option as keyof typeof options] === null)
      throw new TypeError(`${option} is null in ${name}: leave it out`)
}

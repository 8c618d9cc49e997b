/** Whatever can be said of a call, of a range or operation, and of a host and its store when they are opened. */
const known = new Set(
  (
    'deadlineMs signal consistency onCommitted fence lease expectedRevision tries ttlMs limit by min max initial ' +
    'type table key prefix gt gte lt lte from to topic reverse resync bookmarks ' +
    'name waitForLeader validate requests commands ' +
    'cluster secret role priority webrtc iceServers authorize tickMs seeds data database storage bindAddress rendezvous'
  ).split(' '),
)

/**
 * Throws TypeError on what are no options: what is not given is left out, or undefined, and null nowhere; and on a name
 * that no call knows: it is misspelt, and what it asks for would not be done. Called before anything is done.
 */
export function checkOptions(options: object, name = 'options'): void {
  checkNoNull(options, name)
  // Its own names alone: an AbortController may stand for its signal.
  for (const option of Object.keys(options))
    if (!known.has(option)) throw new TypeError(`${option} means nothing in ${name}`)
}

/** The same, whatever the names in it are. */
export function checkNoNull(options: object, name: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`${name} must be an object`)
  for (const option in options)
    if (options[option as keyof typeof options] === null)
      throw new TypeError(`${option} is null in ${name}: leave it out`)
}

// Stands in for debug when simple-peer is bundled for browsers (see build.mjs): a log that nobody switches on.

const debug = () => (): void => undefined

export = debug

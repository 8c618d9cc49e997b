// What a page loads only when it uses one of the recipes.

export { Counter } from './counter.ts'
export { Election } from './election.ts'
export { holding } from './holding.ts'
export { acquireLock, tryLock } from './lock.ts'
export { optionsAndRun } from './options-and-run.ts'
export { PresenceRoom } from './presence.ts'
export { Queue } from './queue.ts'
export { Semaphore } from './semaphore.ts'

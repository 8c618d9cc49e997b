// What the seed that serves the demo runs with it; see `quorate seed --hooks`.

export { commands } from './seats.ts'

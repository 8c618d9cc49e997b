// What is published as `quorate/level`: a store as a database of the Level ecosystem.

export { QuorateLevel, type QuorateLevelOptions } from './quorate-level.ts'

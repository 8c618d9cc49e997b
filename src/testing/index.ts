// What is published as `quorate/testing`: the contracts of the ports as suites, for adapters of one's own, and the
// simulator of whole hosts.

export { ConformanceError } from './check.ts'
export { type SimulationOptions, type SimulationResult, simulate } from './simulator/simulation.ts'
export { type StorageConformance, type StoragePlace, storageConformance } from './storage-conformance.ts'
export {
  type TransportCluster,
  type TransportFixture,
  transportConformance,
} from './transport-conformance.ts'

// What is published as `quorate/testing`: the contracts of the ports as suites, for adapters of one's own, the
// simulator of whole hosts, and the check of histories for linearizability.

export { ConformanceError } from './check.ts'
export { formatHistory, parseHistory } from './checkers/history.ts'
export { type KeyState, kvModel } from './checkers/kv.ts'
export { checkLinearizable, type Verdict } from './checkers/linearizability.ts'
export type { Model, Stuck } from './checkers/model.ts'
export { HistoryError, type Operation, type TimedOperation } from './checkers/operation.ts'
export { registerModel } from './checkers/register.ts'
export { type CommandCall, checkDeterminism, DeterminismError } from './determinism.ts'
export { type SimulationOptions, type SimulationResult, simulate } from './simulator/simulation.ts'
export { type StorageConformance, type StoragePlace, storageConformance } from './storage-conformance.ts'
export {
  type TransportCluster,
  type TransportFixture,
  transportConformance,
} from './transport-conformance.ts'

import { type Bar, middle, print } from './bar.ts'
import type { CoreMeasurement } from './core-node.ts'
import { endProcess, nextMessage, startProcess } from './processes.ts'

const rounds = 3

/** The core alone: three replicas in one thread, with storage and network that cost nothing. */
export async function benchCore(): Promise<Bar[]> {
  const measured: number[] = []
  for (let round = 0; round < rounds; round++) {
    const node = await startProcess('core-node.ts', [])
    const { inFlight, entriesPerSecond } = await nextMessage(node, isMeasurement)
    await endProcess(node)
    measured.push(entriesPerSecond)
    if (round === rounds - 1) print({ bench: 'core', inFlight, entriesPerSecond: middle(measured) })
  }
  const value = middle(measured)
  return [{ bar: 'core alone >= 300 000 committed entries/s', value, pass: value >= 300_000 }]
}

function isMeasurement(message: CoreMeasurement): message is CoreMeasurement {
  return 'entriesPerSecond' in message
}

import { QuorateError } from '../../core/error.ts'
import type { DeploymentId, HostId } from '../../core/types.ts'
import type { StoredHost } from '../../storage/storage.ts'
import type { Grant } from '../../transport/transport.ts'
import { isDeploymentId } from '../../wire/frames.ts'
import type { Call } from '../calls/call.ts'
import { SingleFlight } from '../calls/single-flight.ts'
import type { EngineOptions, HostParts } from '../parts.ts'

/** Names of the values that a host stores of its cluster. */
const clusterValue = 'cluster'
const deploymentValue = 'deployment'
const founderValue = 'founder'

export interface EnteringParts {
  readonly parts: HostParts
  readonly options: EngineOptions
  readonly stored: StoredHost
  /** Aborted when the host ends: nothing is founded behind that. */
  readonly ending: AbortSignal
  /** The deployment is durable: this host may speak and listen. */
  readonly entered: (deployment: DeploymentId) => void
  /** A seed said which founding it knows: this host's, or another one. */
  readonly heard: (standing: Grant, seed: string) => void
}

/** How a host becomes part of a cluster: it founds it, enters it, or comes back. */
export class Entering {
  private readonly entering: EnteringParts
  private readonly flight: SingleFlight<void>
  private isEntered = false
  /** The host that founds the cluster and its stores; undefined until it is known. */
  founder: HostId | undefined

  constructor(parts: EnteringParts) {
    this.entering = parts
    this.flight = new SingleFlight(parts.parts.clock)
  }

  /** Resolves when the deployment is stored: from an earlier life, or from the seed that grants the founding. */
  enter(call: Call): Promise<void> {
    return this.isEntered ? Promise.resolve() : this.flight.run(call, () => this.enterNow(call))
  }

  private async enterNow(call: Call): Promise<void> {
    const { parts, options, stored } = this.entering
    const text = (name: string) => {
      const bytes = stored.values.get(name)
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
    }
    const deployment = text(deploymentValue)
    if (deployment !== undefined) {
      const cluster = text(clusterValue)
      if (!isDeploymentId(deployment)) {
        throw new QuorateError('STORAGE_CORRUPT', 'what this storage holds of its founding is damaged')
      }
      if (cluster !== options.cluster) {
        throw new QuorateError(
          'WRONG_CLUSTER',
          `this storage belongs to cluster ${cluster}, not ${options.cluster}`,
        )
      }
      return this.entered(deployment, text(founderValue))
    }
    const grant = await this.askForGrant(call)
    const values = {
      [clusterValue]: options.cluster,
      [deploymentValue]: grant.deployment,
      [founderValue]: grant.founder,
    }
    const encoder = new TextEncoder()
    const bytes = Object.entries(values).map(([name, value]) => [name, encoder.encode(value)] as const)
    await parts.storage.write({ groups: new Map(), values: new Map(bytes) })
    this.entered(grant.deployment, grant.founder)
  }

  private entered(deployment: DeploymentId, founder: HostId | undefined): void {
    this.founder = founder
    this.isEntered = true
    const { parts, heard, entered } = this.entering
    entered(deployment)
    if (founder !== undefined) parts.rendezvous.belong?.({ founder, deployment }, heard)
  }

  private async askForGrant(call: Call) {
    const { parts, options, ending } = this.entering
    const late = new AbortController()
    const cancel = parts.clock.after(Math.max(0, call.deadline - parts.clock.now()), () => {
      late.abort(
        new QuorateError('UNREACHABLE', 'no seed that knows the cluster could be reached', {
          retryable: true,
        }),
      )
    })
    const abort = () => late.abort(call.signal?.reason)
    const end = () => late.abort(ending.reason)
    call.signal?.addEventListener('abort', abort, { once: true })
    ending.addEventListener('abort', end, { once: true })
    try {
      // A client or a witness that was granted the founding would keep everybody else from it, and cannot found.
      const proposed = options.role === 'member' ? parts.newDeployment() : undefined
      return await parts.rendezvous.found(proposed, late.signal)
    } finally {
      cancel()
      call.signal?.removeEventListener('abort', abort)
      ending.removeEventListener('abort', end)
    }
  }
}

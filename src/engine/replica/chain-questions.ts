import { QuorateError } from '../../core/error.ts'
import type { Chains } from '../../core/machine/chain-ring.ts'
import type { GroupId, HostId, Index, ReplicaId } from '../../core/types.ts'
import { asArray, asBoolean, asNatural, asText } from '../../wire/guards.ts'
import type { Call } from '../calls/call.ts'
import { noReplica } from '../calls/closed.ts'
import type { Requests } from '../peers/requests.ts'
import type { Replica } from './replica.ts'
import type { RunningReplicas } from './running-replicas.ts'

// What a leader asks of each replica that keeps values, and what it tells them. Another way of computing the chain
// would be another name: a host that does not know it does not answer, and nobody is compared with it.
//
//   chain@1      [group, index, isAll]            -> [replica, isQuarantined, first index, chains from there on]
//   diverged@1   [group, index, [[replica, chain], …], revision, isExact]
const chainMethod = 'chain@1'
const divergedMethod = 'diverged@1'

/** What came of the log on a replica, up to an index. */
export interface Fact {
  readonly replica: ReplicaId
  readonly chain: number
}

/** What a replica tells of itself: the chain at one index, or all that it knows. */
export interface ToldChains extends Chains {
  readonly replica: ReplicaId
  readonly isQuarantined: boolean
}

/** Where states went different ways. */
export interface Difference {
  readonly revision: Index
  readonly isExact: boolean
}

/** What a leader found by a comparison at one index. */
export interface Finding {
  readonly index: Index
  readonly facts: readonly Fact[]
  readonly difference: Difference
}

/** What the hosts of a group ask and tell each other about the states of their replicas. */
export class ChainQuestions {
  private readonly requests: Requests
  private readonly running: RunningReplicas

  /** `judge` is false where it cannot judge by that any more. */
  constructor(parts: {
    readonly requests: Requests
    readonly running: RunningReplicas
    readonly judge: (replica: Replica, finding: Finding) => boolean
  }) {
    const { requests, running, judge } = parts
    this.requests = requests
    this.running = running
    requests.serve(chainMethod, (from, body, call) => this.tellChain(from, asArray(body, 3), call))
    requests.serve(divergedMethod, async (from, body, call) => {
      const fields = asArray(body, 5)
      const finding = asFinding(fields)
      const replica = await this.replicaAt(finding.index, asText(fields[0]), from, call)
      // Whoever asked shall compare anew.
      if (!judge(replica, finding))
        throw new QuorateError('COMPACTED', 'the compared state is not known any more')
      return null
    })
  }

  /** Rejects where no answer comes: the host is gone, has not applied so much, or knows nothing of this. */
  ask(host: HostId, group: GroupId, index: Index, isAll: boolean, call: Call): Promise<ToldChains> {
    return this.requests.ask(
      host,
      { method: chainMethod, body: [group, index, isAll], read: asToldChains },
      call,
    )
  }

  /** Rejects where the host did not hear it, or cannot judge by it. */
  tell(host: HostId, group: GroupId, { index, facts, difference }: Finding, call: Call): Promise<void> {
    const fields = facts.map(({ replica, chain }) => [replica, chain])
    const body = [group, index, fields, difference.revision, difference.isExact]
    return this.requests.ask(host, { method: divergedMethod, body, read: () => undefined }, call)
  }

  private async tellChain(
    from: HostId,
    [group, indexField, isAll]: readonly unknown[],
    call: Call,
  ): Promise<unknown> {
    const index = asNatural(indexField)
    const { state, id } = await this.replicaAt(index, asText(group), from, call)
    const { chains, isQuarantined } = state
    if (asBoolean(isAll)) {
      const all = chains.copy()
      return [id, isQuarantined, all.first, all.chains]
    }
    // By this one it judges itself, when all have answered.
    const chain = chains.keep(index)
    return [id, isQuarantined, index, chain === undefined ? [] : [chain]]
  }

  /** One that has a state, once it has applied so much, where a member asks. Throws NOT_MEMBER. */
  private async replicaAt(index: Index, group: GroupId, from: HostId, call: Call): Promise<Replica> {
    const replica = this.running.byGroup.get(group)
    if (replica === undefined || replica.isWitness) throw noReplica(group)
    await replica.reads.reached(index, call)
    if (!replica.members.some(({ hostId }) => hostId === from)) throw noReplica(group)
    return replica
  }
}

function asFinding([, index, facts, revision, isExact]: readonly unknown[]): Finding {
  return {
    index: asNatural(index),
    facts: asArray(facts).map(fact => {
      const [replica, chain] = asArray(fact, 2)
      return { replica: asNatural(replica), chain: asNatural(chain) }
    }),
    difference: { revision: asNatural(revision), isExact: asBoolean(isExact) },
  }
}

function asToldChains(value: unknown): ToldChains {
  const [replica, isQuarantined, first, chains] = asArray(value, 4)
  return {
    replica: asNatural(replica),
    isQuarantined: asBoolean(isQuarantined),
    first: asNatural(first),
    chains: asArray(chains).map(asNatural),
  }
}

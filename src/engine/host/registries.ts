import { crc32c } from '../../base/checksum.ts'
import type { Emitter } from '../../base/emitter.ts'
import type { GroupId, HostId } from '../../core/types.ts'
import { encode } from '../../wire/codec.ts'
import { asArray, asText } from '../../wire/guards.ts'
import { noReplica } from '../calls/closed.ts'
import type { HostParts } from '../parts.ts'
import type { Hello, NamedReplica } from '../peers/peer-book.ts'
import { attemptMs, type Requests } from '../peers/requests.ts'
import type { RunningReplicas } from '../replica/running-replicas.ts'
import type { StoreHooks } from '../store-hooks.ts'
import type { HostEvents, OtherCommands } from '../types.ts'

/**
 * Compares the commands that two hosts of a group were opened with. A hello has a hash of their names for each group,
 * and only where that is another one are the names asked for. Nothing is refused: a tab that is older than the others
 * works, until a command comes that it does not know.
 */
export class Registries {
  private readonly parts: RegistriesParts
  /** What the latest hellos of this host say. */
  private readonly told = new Map<GroupId, number>()
  /** What connected hosts said last. */
  private readonly latest = new Map<HostId, readonly NamedReplica[]>()
  private readonly known = new Map<GroupId, Map<HostId, OtherCommands>>()

  constructor(parts: RegistriesParts) {
    this.parts = parts
    parts.requests.serve('commands', async (_from, body) => {
      const group = asText(asArray(body, 1)[0])
      if (!parts.running.byGroup.has(group)) throw noReplica(group)
      return this.namesOf(group)
    })
  }

  /** Of the names of a group's commands here, for a hello. */
  tell(group: GroupId): number {
    const hash = this.hashOf(group)
    this.told.set(group, hash)
    return hash
  }

  /** The names are others than this host told. */
  hasNews(group: GroupId): boolean {
    return this.told.get(group) !== this.hashOf(group)
  }

  /** A host said which replicas it has. A witness, or a host that is older than this, says nothing of commands. */
  heard(host: HostId, { replicas }: Hello): void {
    // A hello that came late says nothing.
    if (replicas.length > 0) this.latest.set(host, replicas)
    this.compare(host, replicas)
  }

  /** A replica started here, or has other commands than before. */
  changed(): void {
    for (const [host, replicas] of this.latest) this.compare(host, replicas)
  }

  private compare(hostId: HostId, replicas: readonly NamedReplica[]): void {
    for (const { group, commands } of replicas) {
      const own = this.parts.running.byGroup.get(group)
      if (own === undefined || own.isWitness || commands === undefined) continue
      if (commands === this.hashOf(group)) this.settle(group, { hostId, missingHere: [], missingThere: [] })
      else this.ask(group, hostId)
    }
  }

  disconnected(host: HostId): void {
    this.latest.delete(host)
    for (const ofGroup of this.known.values()) ofGroup.delete(host)
  }

  /** Connected hosts whose commands are others than those of this host. */
  others(group: GroupId): readonly OtherCommands[] {
    return [...(this.known.get(group)?.values() ?? [])]
  }

  private ask(group: GroupId, hostId: HostId): void {
    const { requests, clock } = this.parts
    const read = (names: unknown) => asArray(names).map(name => asText(name))
    const call = { deadline: clock.now() + attemptMs, signal: undefined }
    requests.ask(hostId, { method: 'commands', body: [group], read }, call).then(
      theirs => {
        const own = this.namesOf(group)
        const missingHere = theirs.filter(name => !own.includes(name))
        const missingThere = own.filter(name => !theirs.includes(name))
        this.settle(group, { hostId, missingHere, missingThere })
      },
      // It went, or has no replica any more. What it says next is compared again.
      () => {},
    )
  }

  private settle(group: GroupId, others: OtherCommands): void {
    const ofGroup = this.known.get(group) ?? new Map<HostId, OtherCommands>()
    this.known.set(group, ofGroup)
    const { hostId, missingHere, missingThere } = others
    const isSame = missingHere.length + missingThere.length === 0
    const before = ofGroup.get(hostId)
    if (isSame ? before === undefined : JSON.stringify(before) === JSON.stringify(others)) return
    if (isSame) ofGroup.delete(hostId)
    else ofGroup.set(hostId, others)
    this.parts.emitter.emit('commandsDiffer', { group, ...others })
  }

  private hashOf(group: GroupId): number {
    return crc32c(encode(this.namesOf(group)))
  }

  private namesOf(group: GroupId): readonly string[] {
    return Object.keys(this.parts.hooksOf(group).commands ?? {}).sort()
  }
}

export interface RegistriesParts extends Pick<HostParts, 'clock'> {
  readonly requests: Requests
  readonly running: RunningReplicas
  readonly emitter: Emitter<HostEvents>
  readonly hooksOf: (group: GroupId) => StoreHooks
}

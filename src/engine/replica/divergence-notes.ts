import type { GroupId } from '../../core/types.ts'
import type { Storage, StoredHost } from '../../storage/storage.ts'
import { decode, encode } from '../../wire/codec.ts'
import { asArray, asBoolean, asNatural, asText } from '../../wire/guards.ts'
import type { Divergence } from '../types.ts'

/** The name of the value that a host keeps while its replica is in quarantine, or its user trusts it. */
const divergedValue = (group: GroupId) => `diverged ${group}`

/** Noted of a host whose state its user trusts. */
const noBytes = new Uint8Array()

/** What a host notes on disk of its replicas' states: that one is in quarantine, or that its user trusts it. */
export class DivergenceNotes {
  private readonly storage: Storage
  /** Groups in which the user of this host trusts its own state. */
  private readonly trusted = new Set<GroupId>()

  constructor(storage: Storage, stored: StoredHost) {
    this.storage = storage
    for (const [name, bytes] of stored.values)
      if (name.startsWith(divergedValue('')) && noted(bytes) === undefined)
        this.trusted.add(name.slice(divergedValue('').length))
  }

  isTrusted(group: GroupId): boolean {
    return this.trusted.has(group)
  }

  /** From now on, and once it is durable for good. */
  trust(group: GroupId): Promise<void> {
    this.trusted.add(group)
    return this.write(group, noBytes)
  }

  /** What is noted ends with the quarantine; that the state is trusted does not. */
  quarantine(group: GroupId, diverged: Divergence | undefined): Promise<void> {
    if (diverged !== undefined) return this.write(group, encodeNote(diverged))
    return this.write(group, this.isTrusted(group) ? noBytes : undefined)
  }

  /** This host has no state of the group any more: what is said of one it gets later is of another one. */
  forgotten(group: GroupId): void {
    this.trusted.delete(group)
  }

  private write(group: GroupId, bytes: Uint8Array | undefined): Promise<void> {
    return this.storage.write({ groups: new Map(), values: new Map([[divergedValue(group), bytes]]) })
  }
}

/** What was noted of a group before this host started. */
export function notedDivergence({ values }: StoredHost, group: GroupId): Divergence | undefined {
  const bytes = values.get(divergedValue(group))
  return bytes && noted(bytes)
}

/** What is noted no more once the group's data is forgotten. */
export function forgottenNote(group: GroupId): [string, undefined] {
  return [divergedValue(group), undefined]
}

function encodeNote({ revision, isExact, hosts }: Divergence): Uint8Array {
  return encode([revision, isExact, hosts])
}

function noted(bytes: Uint8Array): Divergence | undefined {
  if (bytes.length === 0) return undefined
  const [revision, isExact, hosts] = asArray(decode(bytes), 3)
  return {
    revision: asNatural(revision),
    isExact: asBoolean(isExact),
    hosts: asArray(hosts).map(host => asText(host)),
    isQuarantined: true,
  }
}

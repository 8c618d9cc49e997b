import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QuorateError } from '../core/error.ts'
import { asGrant } from '../transport/signaling-protocol.ts'
import type { Grant } from '../transport/transport.ts'
import { MalformedError } from '../wire/codec.ts'

/** Where a seed remembers to whom it granted the founding. A grant that was answered must never be forgotten. */
export interface FoundingStore {
  load(): Promise<Grant | undefined>
  /** Resolves when the grant survives a crash. */
  save(grant: Grant): Promise<void>
}

/**
 * Grants the founding of one cluster once, to the first asker, however many ask at the same moment. A record that was
 * lost comes back with the first host that belongs to the cluster, if no other founding was granted before: then there
 * are two clusters, and no way to make one of them.
 */
export class Founding {
  private readonly store: FoundingStore
  private readonly mayGrant: boolean
  // One asker after the other: the second one must see what the first one was granted.
  private last: Promise<Grant | undefined>

  /** `mayGrant` false: the cluster was founded before, and only a host that belongs to it can say so. */
  constructor(store: FoundingStore, mayGrant = true) {
    this.store = store
    this.mayGrant = mayGrant
    this.last = store.load()
    // Whoever asks is told of the failure; before that nobody waits for it.
    this.last.catch(() => undefined)
  }

  /** The grant that stands, if any does: of everybody who asked before. */
  standing(): Promise<Grant | undefined> {
    return this.last.catch(() => this.store.load())
  }

  /** Asks to found. The grant that stands, if any does then; it is durable before it is answered. */
  ask(wish: Grant): Promise<Grant | undefined> {
    return this.mayGrant ? this.adopt(wish) : this.standing()
  }

  /** The grant that stands: `known` if there was none. It is durable before it is answered. */
  adopt(known: Grant): Promise<Grant> {
    const granted = this.last
      .catch(() => this.store.load())
      .then(async standing => {
        if (standing !== undefined) return standing
        await this.store.save(known)
        return known
      })
    this.last = granted
    return granted
  }
}

/** A founding store for tests and for seeds that keep nothing. */
export function memoryFoundingStore(): FoundingStore {
  let stored: Grant | undefined
  return {
    load: async () => stored,
    save: async grant => {
      stored = grant
    },
  }
}

/** Keeps the grant in a small JSON file, replaced as a whole: written aside, made durable, renamed. */
export function fileFoundingStore(path: string): FoundingStore {
  return {
    async load() {
      let content: string
      try {
        content = await readFile(path, 'utf8')
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      }
      return parseGrant(content, path)
    },
    async save({ founder, deployment }) {
      const aside = `${path}.new`
      const file = await open(aside, 'w')
      try {
        await file.writeFile(`${JSON.stringify({ founder, deployment })}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(aside, path)
      const directory = await open(dirname(path))
      try {
        await directory.sync()
      } finally {
        await directory.close()
      }
    },
  }
}

function parseGrant(content: string, path: string): Grant {
  try {
    const value: unknown = JSON.parse(content)
    const fields = typeof value === 'object' && value !== null ? value : {}
    return asGrant(['founder' in fields && fields.founder, 'deployment' in fields && fields.deployment])
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof MalformedError)) throw error
    // To grant anew would found a second cluster.
    throw new QuorateError('STORAGE_CORRUPT', `The founding record ${path} is damaged.`, { cause: error })
  }
}

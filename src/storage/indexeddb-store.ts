import { promisifyRequest, type UseStore } from 'idb-keyval'
import { QuorateError } from '../core/error.ts'

// The one file that knows idb-keyval and the habits of IndexedDB.

/** What the rows look like, as the version of the database. Another version is made of the older ones when it opens. */
const format = 1
const storeName = 'rows'
const epochKey = ['epoch']

/** A change of one row, or of a range of them. */
export type RowChange =
  | { readonly type: 'put'; readonly key: IDBValidKey; readonly value: unknown }
  | { readonly type: 'delete'; readonly range: IDBKeyRange }

/**
 * The rows of one database, for one owner at a time.
 *
 * idb-keyval opens its transactions with the durability that the browser prefers, which is "relaxed" since
 * Chrome 121: done means handed to the system, and a vote could be lost. Hence an own `UseStore` that asks
 * for "strict".
 */
export class IndexedDbStore {
  private readonly useStore: UseStore
  private readonly database: IDBDatabase
  private epoch = 0
  private gone: string | undefined

  private constructor(database: IDBDatabase) {
    this.database = database
    // Without a reason given: the browser evicted the data, or the user cleared it.
    database.onclose = () => this.loseDatabase('the browser closed it')
    // Somebody deletes the database, or a newer version of this library makes another format of it. To stay open would
    // block that, and keep a host alive that is to be gone.
    database.onversionchange = () => {
      database.close()
      this.loseDatabase('it is being deleted, or made anew')
    }
    this.useStore = async (mode, callback) => {
      if (this.gone !== undefined) throw failed(this.gone)
      return callback(database.transaction(storeName, mode, { durability: 'strict' }).objectStore(storeName))
    }
  }

  /**
   * Opens the database, makes it where it is missing, and fences every earlier owner. Rejects with UNSUPPORTED where
   * the rows have a newer format.
   */
  static async open(factory: IDBFactory, name: string): Promise<IndexedDbStore> {
    const request = factory.open(name, format)
    request.onupgradeneeded = () => request.result.createObjectStore(storeName)
    const database = await promisifyRequest(request).catch((error: unknown) => {
      throw error instanceof Error && error.name === 'VersionError' ? newerFormat(error) : error
    })
    const store = new IndexedDbStore(database)
    try {
      await store.takeOver()
      return store
    } catch (error) {
      store.close()
      throw error
    }
  }

  /** All of the changes durably, in order, or none. */
  async change(changes: readonly RowChange[]): Promise<void> {
    let fenced = false
    try {
      await this.useStore('readwrite', store => {
        // The tab may have been frozen since it last looked, and another one may own the storage. The check
        // is part of the transaction: where the epoch is another one, nothing of it takes effect.
        const epoch = store.get(epochKey)
        epoch.onsuccess = () => {
          fenced = epoch.result !== this.epoch
          if (fenced) store.transaction.abort()
        }
        try {
          for (const change of changes) {
            if (change.type === 'put') store.put(change.value, change.key)
            else store.delete(change.range)
          }
        } catch (error) {
          // What was asked for before the bad request would be committed.
          store.transaction.abort()
          throw error
        }
        return promisifyRequest(store.transaction)
      })
    } catch (error) {
      throw fenced ? failed('another tab has taken over') : failed(this.gone ?? 'a transaction failed', error)
    }
  }

  /** The keys and the values in the range, both by ascending key. */
  rows(range: IDBKeyRange): Promise<readonly [IDBValidKey[], unknown[]]> {
    // In one transaction, so that they belong together.
    return this.read(store =>
      Promise.all([
        promisifyRequest(store.getAllKeys(range)),
        promisifyRequest<unknown[]>(store.getAll(range)),
      ]),
    )
  }

  /** The values in the range, by ascending key, and at most so many. */
  values(range: IDBKeyRange, count?: number): Promise<unknown[]> {
    return this.read(store => promisifyRequest<unknown[]>(store.getAll(range, count)))
  }

  keys(range: IDBKeyRange): Promise<IDBValidKey[]> {
    return this.read(store => promisifyRequest(store.getAllKeys(range)))
  }

  close(): void {
    this.loseDatabase('it is closed')
    this.database.close()
  }

  private async takeOver(): Promise<void> {
    await this.useStore('readwrite', store => {
      const epoch = store.get(epochKey)
      epoch.onsuccess = () => {
        this.epoch = Number(epoch.result ?? 0) + 1
        store.put(this.epoch, epochKey)
      }
      return promisifyRequest(store.transaction)
    })
  }

  private async read<Result>(callback: (store: IDBObjectStore) => Promise<Result>): Promise<Result> {
    try {
      return await this.useStore('readonly', callback)
    } catch (error) {
      throw failed(this.gone ?? 'a read failed', error)
    }
  }

  private loseDatabase(reason: string): void {
    this.gone ??= reason
  }
}

/** The keys of the rows whose key begins with these parts and go on behind them. */
export function below(...parts: (string | number)[]): IDBKeyRange {
  // An array is above every number and every string.
  return IDBKeyRange.bound(parts, [...parts, []], true, true)
}

function newerFormat(cause: unknown): QuorateError {
  return new QuorateError('UNSUPPORTED', "a newer version of this library wrote the browser's storage", {
    cause,
  })
}

export function failed(reason: string, cause?: unknown): QuorateError {
  if (cause instanceof QuorateError) return cause
  const isFull = cause instanceof Error && cause.name === 'QuotaExceededError'
  const text = isFull ? 'the disk is full' : cause instanceof Error ? `${reason}: ${cause.message}` : reason
  return new QuorateError('STORAGE_FAILED', `the browser's storage fails: ${text}`, {
    cause: cause ?? undefined,
  })
}

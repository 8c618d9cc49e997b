/** Web Locks of one profile, as far as the storage uses them: exclusive, only if available. */
export class FakeLocks implements LockManager {
  private readonly held = new Set<string>()

  async request<T>(name: string, ...rest: unknown[]): Promise<T> {
    const callback = rest.at(-1) as (lock: Lock | null) => Promise<T>
    if (this.held.has(name)) return callback(null)
    this.held.add(name)
    try {
      return await callback({ name, mode: 'exclusive' })
    } finally {
      this.held.delete(name)
    }
  }

  async query(): Promise<LockManagerSnapshot> {
    return { held: [...this.held].map(name => ({ name, mode: 'exclusive' })), pending: [] }
  }
}

/**
 * One writer for many callers: what is added while a commit is under way goes into the next one, together, in
 * order. The first failure is final: it is what every later call rejects with.
 */
export class GroupCommit<Item> {
  private readonly commit: (items: readonly Item[]) => Promise<void>
  private waiting: Waiting<Item>[] = []
  private running: Promise<void> | undefined
  private failure: { readonly error: unknown } | undefined

  /** The commit begins inside `add` when none is under way, and sees nothing that is added after it began. */
  constructor(commit: (items: readonly Item[]) => Promise<void>) {
    this.commit = commit
  }

  add(item: Item): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure.error)
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject })
      this.running ??= this.run()
    })
  }

  /** Resolves when nothing is under way: to true, unless something failed. */
  async idle(): Promise<boolean> {
    await this.running
    return this.failure === undefined
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.waiting
      this.waiting = []
      try {
        await this.commit(group.map(({ item }) => item))
        for (const { resolve } of group) resolve()
      } catch (error) {
        this.failure = { error }
        for (const { reject } of [...group, ...this.waiting]) reject(error)
        this.waiting = []
      }
    }
    this.running = undefined
  }
}

interface Waiting<Item> {
  readonly item: Item
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

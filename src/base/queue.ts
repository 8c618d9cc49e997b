/** First in, first out, with a cheap `shift` however long it is. */
export class Queue<Item> {
  private items: (Item | undefined)[] = []
  private head = 0

  get length(): number {
    return this.items.length - this.head
  }

  push(item: Item): void {
    this.items.push(item)
  }

  peek(): Item | undefined {
    return this.items[this.head]
  }

  shift(): Item | undefined {
    if (this.head === this.items.length) return undefined
    const item = this.items[this.head]
    // Let go at once: what was shifted out may be large.
    this.items[this.head] = undefined
    this.head += 1
    if (this.head === this.items.length) this.clear()
    else if (this.head > 1024 && this.head * 2 > this.items.length) this.compact()
    return item
  }

  clear(): void {
    this.items = []
    this.head = 0
  }

  private compact(): void {
    this.items = this.items.slice(this.head)
    this.head = 0
  }
}

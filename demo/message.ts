import { describeError } from './describe-error.ts'
import { byId } from './dom.ts'

/** The line below a form that says how the last action ended. */
export class Message {
  private readonly node: HTMLElement

  constructor(id: string) {
    this.node = byId(id, HTMLElement)
  }

  say(text: string, tone: 'plain' | 'good' | 'bad' = 'plain'): void {
    this.node.textContent = text
    this.node.className = `message ${tone}`
  }

  /** Runs an action and tells its failure; false then. The buttons stay usable: the store bounds what waits. */
  async around(action: () => Promise<void>): Promise<boolean> {
    try {
      await action()
      return true
    } catch (error) {
      this.say(describeError(error), 'bad')
      return false
    }
  }
}

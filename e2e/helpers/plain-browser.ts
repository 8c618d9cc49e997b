import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { chromiumFlags, findChromium } from '../chromium.ts'

/** A tab of a `PlainBrowser`. */
export interface PlainTab {
  /** The value of an expression, or what it promises. Throws where that throws. */
  evaluate<Value>(expression: string): Promise<Value>
}

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/**
 * A browser as people have it, in which a tab is hidden while another one is in front. Playwright has every page that
 * it steers believe that it is seen, so this one is steered by the DevTools protocol itself, over a pipe.
 */
export class PlainBrowser {
  private readonly child: ChildProcess
  private readonly folder: string
  private readonly waiting = new Map<number, (answer: Answer) => void>()
  private lastId = 0

  static async launch(): Promise<PlainBrowser> {
    return new PlainBrowser(await mkdtemp(join(tmpdir(), 'quorate-browser-')))
  }

  private constructor(folder: string) {
    this.folder = folder
    const flags = ['--headless=new', '--remote-debugging-pipe', '--no-first-run', `--user-data-dir=${folder}`]
    this.child = spawn(findChromium(), [...flags, ...chromiumFlags, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    })
    let text = ''
    const output = this.child.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (text + chunk).split('\0')
      text = messages.pop() ?? ''
      for (const message of messages) this.answered(JSON.parse(message) as Answer)
    })
  }

  /** Opens a tab, in front of all others. */
  async open(url: string): Promise<PlainTab> {
    const { targetId } = await this.ask<{ targetId: string }>('Target.createTarget', { url })
    const attached = await this.ask<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    })
    return {
      evaluate: async <Value>(expression: string) => {
        const asked = { expression, awaitPromise: true, returnByValue: true }
        const answer = await this.ask<{ result: { value: Value }; exceptionDetails?: unknown }>(
          'Runtime.evaluate',
          asked,
          attached.sessionId,
        )
        if (answer.exceptionDetails !== undefined) throw new Error(JSON.stringify(answer.exceptionDetails))
        return answer.result.value
      },
    }
  }

  async close(): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.kill()
    await ended
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  private async ask<Result>(method: string, params: object, sessionId?: string): Promise<Result> {
    this.lastId += 1
    const id = this.lastId
    const answered = new Promise<Answer>(resolve => this.waiting.set(id, resolve))
    const input = this.child.stdio[3] as Writable
    input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    const { error, result } = await answered
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result as Result
  }

  private answered(answer: Answer): void {
    if (answer.id === undefined) return
    this.waiting.get(answer.id)?.(answer)
    this.waiting.delete(answer.id)
  }
}

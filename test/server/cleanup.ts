import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Undoes what a test set up, the last thing first: a folder goes after whoever writes into it. */
export class Cleanup {
  private readonly steps: (() => unknown)[] = []

  constructor(t: TestContext) {
    t.after(async () => {
      for (const step of this.steps.reverse()) await step()
    })
  }

  defer(step: () => unknown): void {
    this.steps.push(step)
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-test-'))
    this.defer(() => rm(folder, { recursive: true, force: true }))
    return folder
  }
}

// A process that runs samples, one after the other: `run-samples.ts JSON`, which is a list of `Task`. Each has its line
// of output, behind a mark: what was wrong with it, or nothing.

import { format } from 'node:util'

interface Task {
  /** The module. */
  readonly url: string
  /** Lines that the sample says it prints, in this order; it may print more. */
  readonly prints: readonly string[]
}

/** Ends a sample that waits for what does not come, well before the process is ended. */
const sampleTimeoutMs = 15_000

const tasks = JSON.parse(process.argv[2] ?? '[]') as readonly Task[]

let failRunning = (_error: unknown): void => {}
process.on('uncaughtException', error => failRunning(error))
process.on('unhandledRejection', error => failRunning(error))

for (const task of tasks) console.info(`\n@sample ${JSON.stringify(await outcomeOf(task))}`)
process.exit(0)

async function outcomeOf({ url, prints }: Task): Promise<string> {
  const printed: string[] = []
  console.log = (...values) => void printed.push(format(...values))
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise((resolve, reject) => {
      failRunning = reject
      timer = setTimeout(
        () => reject(new Error(`it was not done after ${sampleTimeoutMs / 1000} s`)),
        sampleTimeoutMs,
      )
      import(url).then(resolve, reject)
    })
  } catch (error) {
    return [...printed, format(error)].join('\n')
  } finally {
    clearTimeout(timer)
  }
  return missing(prints, printed)
}

function missing(prints: readonly string[], printed: readonly string[]): string {
  let at = 0
  for (const line of prints) {
    const found = printed.indexOf(line, at)
    if (found < 0) return `it was to print: ${line}\nit printed:\n${printed.join('\n')}`
    at = found + 1
  }
  return ''
}

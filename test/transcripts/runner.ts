import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfchangeCommands } from './confchange-commands.ts'
import { parseTranscript, type Step } from './datadriven.ts'
import { InteractionCommands } from './interaction-commands.ts'
import { runQuorumCommand } from './quorum-commands.ts'

/** The kinds of transcripts, each in the folder of its name. */
const commands: Record<string, () => (step: Step) => string> = {
  quorum: () => runQuorumCommand,
  confchange: () => {
    const confchange = new ConfchangeCommands()
    return step => confchange.run(step)
  },
  interaction: () => {
    const interaction = new InteractionCommands()
    return step => interaction.run(step)
  },
}

export interface TranscriptResult {
  /** Folder and file name. */
  readonly name: string
  /** Why it did not pass, or undefined. */
  readonly failure: string | undefined
}

/**
 * The transcripts below a folder, by folder and name; with filters, those whose name contains one of them.
 */
export function findTranscripts(folder: string, filters: readonly string[] = []): string[] {
  return Object.keys(commands)
    .flatMap(kind =>
      readdirSync(join(folder, kind))
        .filter(file => file.endsWith('.txt'))
        .sort()
        .map(file => `${kind}/${file}`),
    )
    .filter(name => filters.length === 0 || filters.some(filter => name.includes(filter)))
}

/** Runs one transcript up to its first difference. */
export function runTranscript(folder: string, name: string): TranscriptResult {
  const makeRun = commands[name.split('/')[0] ?? '']
  if (makeRun === undefined) return { name, failure: 'unknown kind of transcript' }
  const run = makeRun()
  let at = 'the file itself'
  try {
    for (const step of parseTranscript(readFileSync(join(folder, name), 'utf8'))) {
      at = `${name}:${step.line}: ${step.text}`
      const [expected, actual] = [semanticLines(step.expected), semanticLines(run(step))]
      if (expected.join('\n') !== actual.join('\n')) {
        return { name, failure: `${at}\n${difference(expected, actual)}` }
      }
    }
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { name, failure: `${at}\n${text}` }
  }
  return { name, failure: undefined }
}

/**
 * What counts: how a replica words its log is its own affair, so log lines are left out. "ok" is no output at
 * all.
 */
function semanticLines(output: string): string[] {
  const lines = output
    .split('\n')
    .map(line => line.trimEnd())
    .filter(line => line !== '' && !/^\s*(DEBUG|INFO|WARN|ERROR)\b/.test(line))
  return lines.length === 1 && lines[0] === 'ok' ? [] : lines
}

/** Common lines in front, then what was expected (-) and what came (+), to the end. */
function difference(expected: readonly string[], actual: readonly string[]): string {
  let same = 0
  while (same < expected.length && expected[same] === actual[same]) same++
  const context = expected.slice(Math.max(0, same - 5), same).map(line => `  ${line}`)
  const missing = expected.slice(same, same + 12).map(line => `- ${line}`)
  const surplus = actual.slice(same, same + 12).map(line => `+ ${line}`)
  return [...context, ...missing, ...surplus].join('\n')
}

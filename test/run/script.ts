/** Words on a command line that cannot be understood. */
export class UsageError extends Error {}

/**
 * Runs one of the scripts of `npm run`: the process ends with its exit code, with 0 behind the usage that was asked
 * for, and with 2 behind one line about words that cannot be understood.
 */
export async function runScript(
  name: string,
  usage: string,
  main: (words: readonly string[]) => number | Promise<number>,
): Promise<void> {
  const words = process.argv.slice(2)
  if (words.includes('--help')) {
    process.stdout.write(`${usage}\n`)
    return
  }
  try {
    process.exitCode = await main(words)
  } catch (error) {
    if (!isUsageError(error)) throw error
    // Node goes on at length; its first sentence says what is wrong.
    const [first] = error.message.split(/\. |\n/)
    process.stderr.write(`${name}: ${first}; see npm run ${name} -- --help\n`)
    process.exitCode = 2
  }
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
}

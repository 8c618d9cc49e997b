import { findTranscripts, runTranscript } from './runner.ts'

/**
 * Runs transcripts from a folder outside of the project, such as those of etcd-io/raft:
 *
 *     ETCD_RAFT_TESTDATA=folder node --import tsx test/transcripts/main.ts [part of a name]...
 *
 * The folder holds `quorum`, `confchange` and `interaction`.
 */
function main(filters: readonly string[]): number {
  const folder = process.env.ETCD_RAFT_TESTDATA
  if (folder === undefined || folder === '') {
    console.error('ETCD_RAFT_TESTDATA must name a folder that holds quorum, confchange and interaction')
    return 2
  }
  let names: string[]
  try {
    names = findTranscripts(folder, filters)
  } catch (error) {
    console.error(`no transcripts in ETCD_RAFT_TESTDATA: ${error instanceof Error ? error.message : error}`)
    return 2
  }
  let failed = 0
  for (const name of names) {
    const { failure } = runTranscript(folder, name)
    console.log(failure === undefined ? `ok ${name}` : `not ok ${name}\n${failure.replace(/^/gm, '    ')}`)
    if (failure !== undefined) failed++
  }
  console.log(`${names.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

process.exitCode = main(process.argv.slice(2))

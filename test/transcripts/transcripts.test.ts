import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findTranscripts, runTranscript } from './runner.ts'

// The project's own transcripts. Those of etcd-io/raft are run by main.ts.

const folder = fileURLToPath(new URL('data', import.meta.url))

for (const name of findTranscripts(folder)) {
  test(`the transcript ${name} comes out as written`, () => {
    assert.equal(runTranscript(folder, name).failure, undefined)
  })
}

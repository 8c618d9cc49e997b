import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupCommit } from '../../src/storage/group-commit.ts'

test('what is added while a commit is under way goes into the next one, together and in order', async () => {
  const groups: (readonly number[])[] = []
  const commit = new GroupCommit<number>(async items => {
    groups.push(items)
  })
  await Promise.all([1, 2, 3, 4].map(item => commit.add(item)))
  assert.deepEqual(groups, [[1], [2, 3, 4]])
})

test('the first failure is final: nothing behind it is tried, and all hear of it', async () => {
  const full = new Error('the disk is full')
  let commits = 0
  const commit = new GroupCommit<number>(async () => {
    commits += 1
    if (commits === 2) throw full
  })
  await commit.add(1)
  const results = await Promise.allSettled([commit.add(2), commit.add(3)])
  results.push(...(await Promise.allSettled([commit.add(4)])))
  for (const result of results) assert.deepEqual(result, { status: 'rejected', reason: full })
  assert.equal(commits, 2)
  assert.equal(await commit.idle(), false)
})

import { publishedSuite } from './published-suite.ts'

// On a follower, which has to ask its leader.
await publishedSuite({}, async cluster => {
  const [, follower] = await cluster.three()
  return follower.store
})

import { publishedSuite } from './published-suite.ts'

await publishedSuite({ consistency: 'session' }, async cluster => {
  const [, follower] = await cluster.three()
  return follower.store
})

import { publishedSuite } from './published-suite.ts'

await publishedSuite({}, async cluster => {
  await cluster.three()
  return (await cluster.open('z', { role: 'client' })).store
})

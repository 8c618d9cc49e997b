import { publishedSuite } from './published-suite.ts'

await publishedSuite({}, async cluster => (await cluster.open('a')).store)

import { testFreshSeeds } from './promises.ts'

testFreshSeeds(4)

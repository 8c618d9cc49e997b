import { testFreshSeeds } from './promises.ts'

testFreshSeeds(3)

import { testFreshSeeds } from './promises.ts'

testFreshSeeds(2)

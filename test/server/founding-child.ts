import { Founding, fileFoundingStore } from '../../src/server/founding.ts'

// Asks for the founding and says at once what was granted: whoever forked this kills it then.
const founding = new Founding(fileFoundingStore(process.argv[2] ?? ''))
const asked = ['a', 'b', 'c'].map(name =>
  founding.ask({ founder: name.repeat(20), deployment: name.repeat(32) }),
)
process.send?.(await asked[1])
setInterval(() => undefined, 1_000)

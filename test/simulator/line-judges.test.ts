import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { attendances } from '../../src/testing/simulator/attendance.ts'
import { AttendanceCalls } from '../../src/testing/simulator/attendance-calls.ts'
import type { LeaseChecker } from '../../src/testing/simulator/lease-checker.ts'
import { Onlookers } from '../../src/testing/simulator/onlookers.ts'
import { SemaphoreCalls } from '../../src/testing/simulator/semaphore-calls.ts'
import { type HeldOnMachine, RecipeStore } from './recipe-store.ts'

/** Clocks are good enough for leases, and every holder knows in time. */
const trusted = () => ({ holds: () => {}, knowsInTime: () => true }) as unknown as LeaseChecker

/** Those who lead and wait, or are present, as they are at a revision. */
function attendeesOf({ rehearsal }: RecipeStore, table: '$election' | '$presence', revision: number) {
  const items = rehearsal.oracle.itemsAt(revision, key => key.startsWith(`\0${table}\0`))
  return items.map(({ createRevision, value }) => {
    const [host, , said] = String(value).split(',')
    return { host, value: said, token: createRevision }
  })
}

/** The same throughout: nobody stands still, gives up, or looks at others. */
function steady(store: RecipeStore): void {
  Object.assign(store.rehearsal, { random: () => 0.6 })
}

describe('the judge of semaphores', () => {
  /** Some hold permits of two, and one more asks for one. */
  const run = async (others: number, acquire: (store: RecipeStore) => HeldOnMachine | undefined) => {
    const store = new RecipeStore()
    const { rehearsal, lines } = store
    steady(store)
    const calls = new SemaphoreCalls(rehearsal, lines)
    for (let i = 0; i < others; i++) store.enter('$semaphore', 'two', 2)
    const acquired = async () => acquire(store)
    const semaphore = async () => ({ acquire: acquired, tryAcquire: acquired })
    await calls.call(store.worker({ semaphore }))
    return rehearsal.broken
  }
  const enter = (store: RecipeStore) => store.enter('$semaphore', 'two', 2)

  test('takes as many holders as there may be, what they write, and that nothing is free', async () => {
    assert.deepEqual(await run(1, enter), [])
    assert.deepEqual(await run(2, store => store.enter('$semaphore', 'two', 2, { waits: false })), [])
  })

  test('sees one holder too many, and what it writes', async () => {
    const broken = await run(2, enter)
    assert.ok(broken.includes('exclusion'))
    assert.ok(broken.includes('fencing'))
  })

  test('sees that no permit is said to be free, and one is', async () => {
    assert.deepEqual(await run(1, () => undefined), ['semaphore'])
  })

  test('sees two limits at once, and one that is refused for no reason', async () => {
    const forged = await run(0, store => {
      store.forge('$semaphore', 'two', 3)
      return store.forge('$semaphore', 'two', 2)
    })
    assert.ok(forged.includes('semaphore'))
    for (const limit of [2, 3]) {
      const refused = () => {
        throw new QuorateError('LIMIT_MISMATCH', '', { detail: { limit } })
      }
      assert.deepEqual(await run(1, refused), ['semaphore'])
    }
  })

  test('sees one that takes itself for a holder when another one has its place', async () => {
    for (const isTold of [true, false]) {
      const store = new RecipeStore()
      Object.assign(store.rehearsal, { leasesOf: trusted })
      const worker = store.worker({})
      const first = store.enter('$lock', 'a', 1) as HeldOnMachine
      store.lines.given(worker, first, 1000, 1)
      store.lines.letGo(worker, first.token)
      if (isTold) await first.release()
      else store.apply({ type: 'lease-revoke', lease: first.lease })
      store.lines.given(worker, store.enter('$lock', 'a', 1) as HeldOnMachine, 1000, 1)
      assert.deepEqual(store.rehearsal.broken, isTold ? [] : ['exclusion'])
    }
  })
})

describe('the judge of places', () => {
  const lose = (how: (store: RecipeStore, held: HeldOnMachine) => void) => {
    const store = new RecipeStore()
    const held = store.enter('$presence', 'room', null, { value: 'v1' }) as HeldOnMachine
    store.lines.given(store.worker({}), held, 1000, Number.POSITIVE_INFINITY)
    how(store, held)
    return store.rehearsal.broken
  }

  test('takes those that go with their lease', () => {
    const expired = lose(store => {
      store.apply({ type: 'expire', clock: 0 })
      store.apply({ type: 'expire', clock: 5000 })
    })
    assert.deepEqual(expired, [])
    const released = lose((store, held) => {
      store.lines.letGo(store.worker({}), held.token)
      store.apply({ type: 'lease-revoke', lease: held.lease })
    })
    assert.deepEqual(released, [])
  })

  test('sees one that goes before its lease does, or whose lease nobody gave up', () => {
    assert.deepEqual(
      lose((store, { key }) => store.apply({ type: 'delete', key })),
      ['place'],
    )
    assert.deepEqual(
      lose((store, { lease }) => store.apply({ type: 'lease-revoke', lease })),
      ['place'],
    )
  })

  test('sees what is said twice', () => {
    const said = lose((store, held) => {
      store.say(held, '$presence', 'v2')
      store.say(held, '$presence', 'v2')
    })
    assert.deepEqual(said, ['exactly-once'])
  })
})

describe('the judge of elections and presence', () => {
  interface Told {
    readonly enter?: (store: RecipeStore, value: unknown) => HeldOnMachine | undefined
    readonly say?: (store: RecipeStore, held: HeldOnMachine, value: unknown) => { readonly revision: number }
  }
  /** Somebody leads and says something else meanwhile. */
  const campaign = async ({ enter, say }: Told, others = 0) => {
    const store = new RecipeStore()
    for (let i = 0; i < others; i++) store.enter('$election', 'chair', 1)
    let said = 0
    const election = async () => ({
      campaign: async (value: unknown) => {
        const held = (enter ?? (() => store.enter('$election', 'chair', 1, { value })))(store, value)
        if (held === undefined) throw new QuorateError('TIMEOUT', '')
        const proclaim = async (next: unknown) => {
          said += 1
          return (say ?? (() => store.say(held, '$election', next)))(store, held, next)
        }
        return { ...held, proclaim }
      },
      leader: async () => attendeesOf(store, '$election', store.rehearsal.machine.appliedIndex)[0],
    })
    const judge = new AttendanceCalls(store.rehearsal, store.lines)
    for (let i = 0; i < 40 && store.rehearsal.broken.length === 0; i++)
      await judge.call(store.worker({ election }), 'election')
    return { broken: store.rehearsal.broken, said }
  }

  test('takes a leader at a time that says what it was given', async () => {
    const { broken, said } = await campaign({})
    assert.deepEqual(broken, [])
    assert.ok(said > 0)
  })

  test('sees a second leader, and one that says what it was not given', async () => {
    assert.ok((await campaign({}, 1)).broken.includes('exclusion'))
    const other = (store: RecipeStore) => store.enter('$election', 'chair', 1, { value: 'v100' })
    assert.ok((await campaign({ enter: other })).broken.includes('election'))
  })

  test('sees what is not said, or said although it failed, or refused to who leads', async () => {
    const lost = (store: RecipeStore) => ({ revision: store.rehearsal.machine.appliedIndex })
    assert.ok((await campaign({ say: lost })).broken.includes('lost-write'))
    const denied = (store: RecipeStore, held: HeldOnMachine, value: unknown) => {
      store.say(held, '$election', value)
      throw new QuorateError('TIMEOUT', '')
    }
    assert.ok((await campaign({ say: denied })).broken.includes('denied-write'))
    const refused = () => {
      throw new QuorateError('FENCED', '')
    }
    assert.deepEqual((await campaign({ say: refused })).broken, ['fencing'])
  })

  test('sees a list that is older than what was known, or that never was', async () => {
    for (const [how, rules] of [
      ['right', []],
      ['old', ['presence']],
      ['torn', ['presence']],
    ] as const) {
      const store = new RecipeStore()
      const { rehearsal } = store
      Object.assign(rehearsal, { random: () => 0.1 })
      const first = store.enter('$presence', 'room', null, { value: 'v1' }) as HeldOnMachine
      const before = rehearsal.machine.appliedIndex
      store.enter('$presence', 'room', null, { value: 'v2' })
      await first.release()
      const after = rehearsal.machine.appliedIndex
      rehearsal.oracle.acknowledged(after, 0)
      const list = async () => {
        const now = attendeesOf(store, '$presence', after)
        return how === 'right'
          ? now
          : how === 'old'
            ? attendeesOf(store, '$presence', before)
            : [...now, ...now]
      }
      const judge = new AttendanceCalls(rehearsal, store.lines)
      await judge.call(store.worker({ presence: async () => ({ list }) }), 'presence')
      assert.deepEqual(rehearsal.broken, rules, how)
    }
  })
})

describe('the judge of onlookers', () => {
  const look = async (tell: (texts: readonly string[]) => readonly string[]) => {
    const store = new RecipeStore()
    const { rehearsal } = store
    const onlookers = new Onlookers({ ...rehearsal, oracleOf: rehearsal.oracleOf, attends: ['election'] })
    const texts: string[] = []
    const note = () => {
      const items = rehearsal.oracle.itemsAt(rehearsal.oracle.upTo, key => key.startsWith('\0$election\0'))
      texts.push(attendances.election.show(items))
    }
    for (let i = 0; i < 4; i++) {
      const held = store.enter('$election', 'chair', 1, { value: `v${i}` }) as HeldOnMachine
      note()
      await held.release()
      note()
    }
    const leaders = tell(texts).map(text => {
      const [token = '', host, value] = text.split(' ')
      return text === '' ? undefined : { token, host, value }
    })
    async function* observe() {
      yield* leaders
    }
    const worker = store.worker({ election: async () => ({ observe }), status: () => ({ role: 'follower' }) })
    Object.assign(worker.life, { stores: new Map([['main', worker.store]]) })
    onlookers.attach(worker.life, worker.store)
    await new Promise(setImmediate)
    onlookers.judge()
    return { broken: rehearsal.broken, behind: onlookers.behind() }
  }

  test('takes what is told in order, though not all of it', async () => {
    assert.deepEqual(await look(texts => texts), { broken: [], behind: undefined })
    assert.deepEqual(await look(texts => texts.slice(4)), { broken: [], behind: undefined })
  })

  test('sees what is told out of order, or never was, and who is not told in the end', async () => {
    const swapped = (texts: readonly string[]) => [texts[2] ?? '', texts[0] ?? '', '']
    assert.deepEqual((await look(swapped)).broken, ['election'])
    assert.deepEqual((await look(() => ['1000 h1 v9', ''])).broken, ['election'])
    assert.match((await look(texts => texts.slice(0, -1))).behind ?? '', /is there/)
  })
})

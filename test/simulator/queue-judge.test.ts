import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { pushCommand } from '../../src/engine/recipes/places.ts'
import { QueueCalls } from '../../src/testing/simulator/queue-calls.ts'
import { type HeldOnMachine, RecipeStore } from './recipe-store.ts'

/** What a queue does; each part may be told to do something else. */
interface Deeds {
  readonly push: (value: unknown) => { readonly revision: number }
  readonly take: () => unknown
  readonly receive: () => { readonly held: HeldOnMachine; readonly value: unknown }
  readonly acknowledge: (held: HeldOnMachine) => void
  readonly size: () => number
}

/** Many calls at a queue that does what it should, but for what is said. */
async function run(wrong: (store: RecipeStore, right: Deeds) => Partial<Deeds> = () => ({})) {
  const store = new RecipeStore()
  const { rehearsal } = store
  const calls = new QueueCalls(rehearsal, store.lines)
  const itemOf = ({ key }: HeldOnMachine) => key.replace('\0c', '\0i')
  const taken = (lease: number | null) => {
    const one = store.take('work', lease)
    if (one === undefined) throw new QuorateError('TIMEOUT', '')
    return one
  }
  const right: Deeds = {
    push: value => ({ revision: store.run(pushCommand, ['work', value]).revision }),
    take: () => taken(null).value,
    receive: () => taken(store.lease()),
    acknowledge: held => {
      const { key, token } = held
      const command = { type: 'delete', key: itemOf(held) } as const
      const { result } = store.apply({ type: 'fenced', key, createRevision: token, command })
      if (result.type === 'fenced') throw new QuorateError('FENCED', '')
    },
    size: () => rehearsal.machine.view().count({ prefix: '\0$queue\0work\0i' }),
  }
  const deeds = { ...right, ...wrong(store, right) }
  const queue = async () => ({
    push: async (value: unknown) => deeds.push(value),
    take: async () => deeds.take(),
    receive: async () => {
      const { held, value } = deeds.receive()
      const acknowledge = async () => {
        deeds.acknowledge(held)
        await held.release()
      }
      return { ...held, value, acknowledge }
    },
    size: async () => deeds.size(),
  })
  const worker = store.worker({ queue })
  for (let i = 0; i < 120; i++) {
    await calls.call(worker)
    calls.judge('main')
  }
  return rehearsal.broken
}

/** Every third time something else is done. */
function sometimes<Value>(right: () => Value, wrong: () => Value): () => Value {
  let times = 0
  return () => (++times % 3 === 0 ? wrong() : right())
}

describe('the judge of queues', () => {
  test('takes what is right', async () => assert.deepEqual(await run(), []))

  test('sees an item that is given to two, or to one who did not take it', async () => {
    const twice = await run((_, { take }) => {
      let last: unknown
      const again = sometimes(
        () => (last = take()),
        () => last ?? take(),
      )
      return { take: again }
    })
    assert.ok(twice.includes('queue'))
  })

  test('sees items that go though their takers are told that nothing was done', async () => {
    const lost = await run((_, { take }) => ({
      take: () => {
        take()
        throw new QuorateError('TIMEOUT', '')
      },
    }))
    assert.ok(lost.includes('queue'))
    // Nobody knows: that is what it says.
    const unknown = await run((_, { take }) => ({
      take: () => {
        take()
        throw new QuorateError('OUTCOME_UNKNOWN', '', { outcome: 'unknown' })
      },
    }))
    assert.deepEqual(unknown, [])
  })

  test('sees what is taken out of order, or in spite of a claim', async () => {
    const last = await run(store => ({
      take: () => {
        const [item] = [
          ...store.rehearsal.machine.view().scan({ prefix: '\0$queue\0work\0i', reverse: true }),
        ]
        if (item === undefined) throw new QuorateError('TIMEOUT', '')
        store.apply({ type: 'delete', key: item.key })
        return store.rehearsal.oracle.itemAt(item.key, store.rehearsal.machine.appliedIndex - 1)?.value
      },
    }))
    assert.ok(last.includes('queue'))
    const claimed = await run((store, { receive }) => ({
      receive: () => {
        const one = receive()
        store.apply({ type: 'delete', key: one.held.key.replace('\0c', '\0i') })
        return one
      },
    }))
    assert.ok(claimed.includes('queue'))
  })

  test('sees what is pushed and lost, pushed twice, or pushed though it is said to have failed', async () => {
    const lost = await run(store => ({ push: () => ({ revision: store.rehearsal.machine.appliedIndex }) }))
    assert.ok(lost.includes('queue'))
    const twice = await run((_, { push }) => ({
      push: value => {
        push(value)
        return push(value)
      },
    }))
    assert.ok(twice.includes('exactly-once'))
    const denied = await run((_, { push }) => ({
      push: value => {
        push(value)
        throw new QuorateError('TIMEOUT', '')
      },
    }))
    assert.ok(denied.includes('denied-write'))
  })

  test('sees an acknowledgement of nothing, one refused to who has it, and one that was done after all', async () => {
    assert.ok((await run(() => ({ acknowledge: () => {} }))).includes('queue'))
    const refused = await run(() => ({
      acknowledge: () => {
        throw new QuorateError('FENCED', '')
      },
    }))
    assert.ok(refused.includes('fencing'))
    const denied = await run((_, { acknowledge }) => ({
      acknowledge: held => {
        acknowledge(held)
        throw new QuorateError('TIMEOUT', '')
      },
    }))
    assert.ok(denied.includes('queue'))
  })

  test('sees another item than was claimed, one that two have, and a wrong number of them', async () => {
    const other = await run((_, { receive }) => ({ receive: () => ({ ...receive(), value: 'v1000' }) }))
    assert.ok(other.includes('queue'))
    const shared = await run((store, { receive }) => {
      let held: ReturnType<Deeds['receive']> | undefined
      const again = () => {
        if (held === undefined) return receive()
        store.put(held.held.key, null)
        return held
      }
      return { receive: sometimes(() => (held = receive()), again) }
    })
    assert.ok(shared.includes('queue'))
    assert.ok((await run((_, { size }) => ({ size: () => size() + 1 }))).includes('queue'))
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { Live, type LiveState } from '../../src/engine/store/live.ts'
import type { Watch } from '../../src/engine/store/watch.ts'
import type { WatchNotice } from '../../src/engine/types.ts'
import { TestCluster } from './cluster.ts'

/**
 * A component as React 18 runs it with `useSyncExternalStore`: it reads while it renders, twice, to see that the result
 * is cached; it listens once it is mounted, and reads again, because something may have changed in between; and when it
 * is told of a change, it renders only where the snapshot is another object. Strict mode mounts it twice.
 */
class Component {
  renders = 0
  shown: LiveState
  private readonly live: Pick<Live, 'onChange' | 'getSnapshot'>
  private stop: () => void

  constructor({ onChange, getSnapshot }: Pick<Live, 'onChange' | 'getSnapshot'>) {
    this.live = { onChange, getSnapshot }
    this.shown = this.render()
    onChange(this.changed)()
    this.stop = onChange(this.changed)
    this.changed()
  }

  unmount(): void {
    this.stop()
  }

  words(): string {
    return wordsOf(this.shown)
  }

  private readonly changed = (): void => {
    if (!Object.is(this.live.getSnapshot(), this.shown)) this.shown = this.render()
  }

  private render(): LiveState {
    const { getSnapshot } = this.live
    this.renders += 1
    assert.ok(Object.is(getSnapshot(), getSnapshot()), 'React would render for ever')
    return getSnapshot()
  }
}

/** As Svelte's `get`: the value is there before `subscribe` returns. */
function svelteGet(store: Pick<Live, 'subscribe'>): LiveState {
  let value: LiveState | undefined
  store.subscribe(state => {
    value = state
  })()
  assert.ok(value !== undefined, 'called at once')
  return value
}

function wordsOf({ status, entries }: LiveState): string {
  return `${status} ${entries.map(({ key, value }) => `${key}=${value}`).join(' ')}`
}

describe('a live view', () => {
  test('is what React shows of a range, on a member and on a client', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    await cluster.settle(a.store.put('k1', 1))
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.get('k1'))
    const components = [a.store, client].map(store => new Component(store.live({ prefix: 'k' })))
    for (const component of components) assert.equal(component.words(), 'loading ')
    await cluster.run(1000)
    for (const component of components) assert.equal(component.words(), 'live k1=1')
    await cluster.settle(a.store.put('k3', 3))
    await cluster.settle(a.store.put('k2', 2))
    await cluster.settle(a.store.put('other', 0))
    await cluster.settle(a.store.delete('k1'))
    await cluster.run(1000)
    for (const component of components) {
      assert.equal(component.words(), 'live k2=2 k3=3')
      const before = component.renders
      await cluster.settle(a.store.put('other', 1))
      await cluster.run(3000)
      assert.equal(component.renders, before, 'it is not rendered for what it does not show')
    }
  })

  test('is a store as Svelte takes it: the state at once, and whenever it is another one', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const users = store.table('users')
    await cluster.settle(users.put('ada', 1))
    const live = users.live()
    assert.equal(wordsOf(svelteGet(live)), 'loading ')
    const told: string[] = []
    const stop = live.subscribe(state => told.push(wordsOf(state)))
    assert.deepEqual(told, ['loading '])
    await cluster.run(100)
    await cluster.settle(users.put('bob', 2))
    await cluster.run(100)
    assert.deepEqual(told, ['loading ', 'live ada=1', 'live ada=1 bob=2'])
    assert.equal(wordsOf(svelteGet(live)), 'live ada=1 bob=2')
    stop()
    stop()
  })

  test('keeps the entries that did not change as the objects that they were', async () => {
    const cluster = new TestCluster({ snapshotEntriesEvery: 20, trailingEntries: 0, heldLogBytesMax: 0 })
    const [a, , c] = await cluster.three()
    await cluster.settle(a.store.put('k1', { a: 1 }))
    await cluster.settle(a.store.put('k2', { a: 2 }))
    await cluster.run(1000)
    const live = c.store.live({ prefix: 'k' })
    live.onChange(() => {})
    await cluster.run(100)
    const { entries: before } = live.getSnapshot()
    await cluster.settle(a.store.put('k2', { a: 3 }))
    await cluster.run(100)
    const { entries } = live.getSnapshot()
    assert.deepEqual([entries[0] === before[0], entries[1] === before[1]], [true, false])
    assert.deepEqual(before[1]?.value, { a: 2 }, 'what was shown is left alone')
    // It comes back by a snapshot, and gets the whole state anew.
    cluster.network.partition(['c'], ['a', 'b'])
    for (let i = 0; i < 60; i++) await cluster.settle(a.store.put('k2', i))
    cluster.network.heal()
    await cluster.run(10_000)
    const after = live.getSnapshot()
    assert.equal(wordsOf(after), 'live k1=[object Object] k2=59')
    assert.equal(after.entries[0], entries[0])
  })

  test('shows what was written at once at once, and many writes of one moment in a few steps', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const live = store.live<number>({ prefix: 'k' })
    const sums: number[] = []
    live.subscribe(({ entries }) => sums.push(entries.reduce((sum, { value }) => sum + value, 0)))
    await cluster.run(100)
    await cluster.settle(
      Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          store.txn({
            success: [
              { type: 'put', key: 'k1', value: i },
              { type: 'put', key: 'k2', value: 1000 - i },
            ],
          }),
        ),
      ),
    )
    await cluster.run(100)
    assert.ok(sums.every(sum => sum === 0 || sum === 1000))
    assert.ok(sums.length < 50, `${sums.length} states`)
    assert.equal(live.getSnapshot().entries[0]?.value, 499)
  })

  test('watches as long as somebody listens', async () => {
    const cluster = new TestCluster()
    const a = await cluster.open('a')
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 1))
    const live = store.live({ key: 'k' })
    const events = async () => {
      const { frames } = await cluster.recorded(async () => {
        await cluster.settle(a.store.put('k', 1))
        await cluster.run(5000)
      })
      return frames.filter(({ to, kind }) => to === 'z' && kind === 'event').length
    }
    assert.equal(await events(), 0)
    const components = [new Component(live), new Component(live)]
    await cluster.run(100)
    const twice = await events()
    assert.ok(twice > 0)
    components[0]?.unmount()
    assert.equal(await events(), twice, 'two listeners cost no more than one')
    components[1]?.unmount()
    await cluster.run(100)
    assert.equal(await events(), 0)
    assert.equal(wordsOf(live.getSnapshot()), 'loading k=1')
    await cluster.settle(a.store.put('k', 2))
    const again = new Component(live)
    assert.equal(again.words(), 'loading k=1')
    await cluster.run(100)
    assert.equal(again.words(), 'live k=2')
  })

  test('says so while no news reach it, and goes on by itself', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store: client } = await cluster.open('z', { role: 'client' })
    await cluster.settle(client.put('k', 1))
    const views = [a.store, client].map(store => store.live({ prefix: 'k' }))
    const told = views.map(live => {
      const words: string[] = []
      live.subscribe(state => words.push(wordsOf(state)))
      return words
    })
    await cluster.run(3000)
    cluster.network.partition(['z'], ['a', 'b', 'c'])
    cluster.network.partition(['a'], ['b', 'c'])
    await cluster.run(20_000)
    assert.deepEqual(
      views.map(live => live.getSnapshot().status),
      ['reconnecting', 'reconnecting'],
    )
    cluster.network.heal()
    await cluster.settle(client.put('k', 2, { deadlineMs: 60_000 }))
    await cluster.run(10_000)
    for (const words of told) {
      assert.deepEqual(words.slice(0, 3), ['loading ', 'live k=1', 'reconnecting k=1'])
      assert.equal(words.at(-1), 'live k=2')
    }
  })

  test('says so on a client whose gateways are all cut off from the group', async () => {
    const cluster = new TestCluster()
    const [a] = await cluster.three()
    const { store } = await cluster.open('z', { role: 'client' })
    await cluster.settle(store.put('k', 1))
    const live = store.live({ prefix: 'k' })
    const told: string[] = []
    live.subscribe(state => told.push(wordsOf(state)))
    await cluster.run(10_000)
    cluster.network.partition(['a'], ['b', 'c'])
    cluster.network.partition(['b'], ['a', 'c'])
    await cluster.run(60_000)
    assert.deepEqual(told, ['loading ', 'live k=1', 'reconnecting k=1'])
    cluster.network.heal()
    await cluster.settle(a.store.put('k', 2, { deadlineMs: 60_000 }))
    await cluster.run(10_000)
    assert.equal(told.at(-1), 'live k=2')
  })

  test('fails when the store is closed, and tries anew for whoever listens anew', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    const live = store.live()
    live.onChange(() => {})
    await cluster.settle(store.put('k', 1))
    await cluster.run(100)
    await cluster.settle(store.close())
    const { status, error, entries } = live.getSnapshot()
    assert.deepEqual([status, error?.code, entries.length], ['failed', 'CLOSED', 1])
    const states: string[] = []
    live.subscribe(state => states.push(state.status))
    assert.equal(states.at(-1), 'failed')
  })

  test('goes on behind a command that its replica was not given, once it has it', async () => {
    const cluster = new TestCluster()
    const commands = { 'a.b@1': (tx: { put(key: string, value: unknown): void }) => tx.put('k', 2) }
    const a = await cluster.open('a', { commands })
    const b = await cluster.open('b')
    await cluster.settle(a.store.put('k', 1))
    await cluster.run(500)
    await cluster.settle(a.store.command('a.b@1'))
    await cluster.run(500)
    const live = b.store.live()
    live.onChange(() => {})
    await cluster.run(3000)
    assert.deepEqual(
      [live.getSnapshot().status, live.getSnapshot().error?.code],
      ['loading', 'COMMAND_UNKNOWN'],
    )
    await cluster.settle(b.host.store('main', { commands }))
    await cluster.run(3000)
    assert.equal(wordsOf(live.getSnapshot()), 'live k=2')
  })

  test('throws on what is no range before anybody listens', async () => {
    const cluster = new TestCluster()
    const { store } = await cluster.open('a')
    assert.throws(() => store.live({ prefix: 'a', gt: 'b' }), TypeError)
    assert.throws(() => store.table('t').live({ key: '' }), TypeError)
  })

  test('says on a member that it is behind while that waits for a command', async () => {
    const cluster = new TestCluster()
    const commands = { 'a.b@1': (tx: { put(key: string, value: unknown): void }) => tx.put('k', 2) }
    const a = await cluster.open('a', { commands })
    const b = await cluster.open('b')
    const live = b.store.live()
    live.onChange(() => {})
    await cluster.settle(a.store.put('k', 1))
    await cluster.run(1000)
    await cluster.settle(a.store.command('a.b@1'))
    await cluster.run(5000)
    assert.equal(wordsOf(live.getSnapshot()), 'reconnecting k=1')
    await cluster.settle(b.host.store('main', { commands }))
    await cluster.run(3000)
    assert.equal(wordsOf(live.getSnapshot()), 'live k=2')
  })

  test('shows what it has read behind the end of its watch as the last that is known', async () => {
    const notice: WatchNotice = { type: 'reset', entries: [], revision: 7, cause: 'start' }
    const later: (() => void)[] = []
    async function* ending() {
      yield notice
      throw new QuorateError('SYSTEM_BUSY', 'for now', { retryable: true })
    }
    const live = new Live({
      watch: () => ending() as unknown as Watch<WatchNotice>,
      opened: () => {},
      closed: () => {},
      soon: callback => later.push(callback),
      throwLater: () => {},
    })
    live.onChange(() => {})
    await new Promise(resolve => setImmediate(resolve))
    for (const callback of later) callback()
    const { status, revision, error } = live.getSnapshot()
    assert.deepEqual([status, revision, error?.code], ['reconnecting', 7, 'SYSTEM_BUSY'])
  })
})

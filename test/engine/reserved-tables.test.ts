import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQuorateError } from '../../src/core/error.ts'
import { loadRecipes } from '../../src/engine/recipes/load.ts'
import type { StoreCalls } from '../../src/engine/store/store-calls.ts'
import { txnCommand } from '../../src/engine/transactions/command.ts'
import type { CommandTransaction } from '../../src/engine/transactions/command-transaction.ts'
import { TestCluster } from './cluster.ts'

// Loaded for real, so before any time is virtual.
await loadRecipes()

const failed = (code: Parameters<typeof isQuorateError>[1]) => (error: unknown) =>
  isQuorateError(error, code) && error.outcome === 'none'

describe('what recipes keep', () => {
  test('is written by recipes only, whoever leads', async () => {
    const reach = (tx: CommandTransaction) => tx.table('$lock').put('printer', 1)
    const cluster = new TestCluster()
    const [a, b] = await cluster.three(() => ({ commands: { 'reach@1': reach } }))
    const z = await cluster.open('z', { role: 'client' })
    const key = `\0$lock\0printer\0${'1'.padStart(11, '0')}`
    const value = new Uint8Array([0xc1])
    const commands = [
      { type: 'put', key, value },
      { type: 'insert', key, value },
      { type: 'compare-and-swap', key, expected: null, value },
      { type: 'delete', key },
    ] as const
    await cluster.settle(a.store.put('fence', 1))
    const token = (await cluster.settle(a.store.entry('fence')))?.createRevision ?? 0
    for (const { store } of [a, b, z]) {
      const { calls } = store as unknown as { readonly calls: StoreCalls }
      for (const command of commands)
        await assert.rejects(cluster.settle(calls.execute(command, {})), failed('REFUSED'))
      const fenced = calls.execute(commands[0], { fence: { key: 'fence', token } })
      await assert.rejects(cluster.settle(fenced), failed('REFUSED'))
      await assert.rejects(cluster.settle(store.command('reach@1')), failed('COMMAND_FAILED'))
      for (const operation of [
        { type: 'put', table: '$lock', key: 'printer', value: 1 },
        { type: 'put', key, value: 1 },
        { type: 'deleteRange', table: '$lock', range: {} },
      ])
        await assert.rejects(
          cluster.settle(calls.run(txnCommand, { success: [operation] }, {})),
          failed('COMMAND_FAILED'),
        )
      const lock = await cluster.settle(store.tryLock('printer'))
      assert.ok(lock !== undefined)
      await cluster.settle(lock.release())
    }
  })
})

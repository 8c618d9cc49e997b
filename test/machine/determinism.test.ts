import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CommandError, type Commands } from '../../src/engine/transactions/command.ts'
import { checkDeterminism, DeterminismError } from '../../src/testing/determinism.ts'

const found = (command: string, call: number, differs: DeterminismError['differs']) => (error: unknown) => {
  assert.ok(error instanceof DeterminismError, String(error))
  assert.deepEqual([error.command, error.call, error.differs], [command, call, differs])
  return true
}

describe('the check of commands', () => {
  test('passes those that take all they need from their context', () => {
    const commands: Commands = {
      'seat.reserve@1': (tx, args, { now, random, host }) => {
        const { seat } = args as { readonly seat: string }
        if (!tx.table('seats').insert(seat, { now, host, luck: random() })) throw new CommandError('TAKEN')
        return tx.increment('count').value
      },
      'broken@1': () => {
        throw new RangeError('each engine words this as it likes')
      },
    }
    const reserve = (seat: string, host?: string) => ({
      ...{ name: 'seat.reserve@1', args: { seat } },
      ...(host && { host }),
    })
    checkDeterminism(commands, [reserve('1'), reserve('2', 'b'), reserve('1'), { name: 'broken@1' }])
  })

  test('names a command that reads the clock', () => {
    const commands: Commands = {
      'fine@1': tx => tx.put('a', 1),
      'clock@1': tx => tx.put('at', Date.now()),
      'date@1': () => new Date().toISOString(),
    }
    assert.throws(
      () => checkDeterminism(commands, [{ name: 'fine@1' }, { name: 'clock@1' }]),
      found('clock@1', 1, 'changes'),
    )
    assert.throws(() => checkDeterminism(commands, [{ name: 'date@1' }]), found('date@1', 0, 'result'))
    assert.ok(Math.abs(Date.now() - performance.timeOrigin - performance.now()) < 60_000, 'the clock is back')
  })

  test('names a command that rolls dice of its own', () => {
    const commands: Commands = { 'dice@1': () => Math.random() }
    assert.throws(() => checkDeterminism(commands, [{ name: 'dice@1' }]), found('dice@1', 0, 'result'))
  })

  test('names a command that remembers what it did before', () => {
    const seen = new Set<string>()
    const commands: Commands = {
      'visit@1': (tx, name) => {
        seen.add(String(name))
        tx.put('visitors', [...seen])
      },
    }
    const visit = (args: string) => ({ name: 'visit@1', args })
    assert.throws(() => checkDeterminism(commands, [visit('a'), visit('b')]), found('visit@1', 0, 'changes'))
  })

  test('names a command that changes its arguments', () => {
    const commands: Commands = { 'sort@1': (_tx, args) => (args as number[]).sort() }
    assert.throws(
      () => checkDeterminism(commands, [{ name: 'sort@1', args: [2, 1] }]),
      found('sort@1', 0, 'arguments'),
    )
    checkDeterminism(commands, [{ name: 'sort@1', args: [1, 2] }])
  })

  test('refuses what is no command, and calls of none', () => {
    assert.throws(() => checkDeterminism({ nameless: () => null }, []), TypeError)
    assert.throws(() => checkDeterminism({}, [{ name: 'none@1' }]), TypeError)
  })
})

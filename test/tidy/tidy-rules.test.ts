// The tidy test tests itself: each rule is broken once on purpose, and what only looks broken is let through.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findFunctions } from './functions.ts'
import { checkSources } from './rules.ts'
import { scan } from './scan.ts'

function faultsOf(path: string, text: string, others: Record<string, string> = {}): string[] {
  return checkSources(new Map(Object.entries({ [path]: text, ...others })))
}

function assertFault(path: string, text: string, fault: string, others: Record<string, string> = {}): void {
  assert.deepEqual(faultsOf(path, text, others), [fault])
}

function assertClean(path: string, text: string): void {
  assert.deepEqual(faultsOf(path, text), [])
}

describe('the scanner', () => {
  const codeOf = (text: string): string => scan(text).code.replace(/\s+/g, ' ').trim()

  test('blanks comments and strings, and keeps every position', () => {
    const text = `a = 'it''s' // any\n/* enum\n */ b = "\\"x" + c`
    const scanned = scan(text)
    assert.equal(scanned.code.length, text.length)
    assert.equal(codeOf(text), `a = ' '' ' b = " " + c`)
    assert.match(scanned.comments, /any\s+\/\* enum/)
  })

  test('goes into the expressions of a template, and out again', () => {
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: source text that holds a template.
    assert.equal(codeOf('`a${ b({ c: `d${e}` }) }f` + g'), '` ${ b({ c: ` ${e}` }) } ` + g')
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: the same.
  })

  test('tells a regular expression from a division', () => {
    assert.equal(codeOf('a / b / c'), 'a / b / c')
    assert.equal(codeOf("f(/'[/]\\//g) + 1"), 'f(/ /g) + 1')
    assert.equal(codeOf("return /'/"), 'return / /')
    assert.equal(codeOf("i++ / 2 + x[1] / (3) / 'q'"), "i++ / 2 + x[1] / (3) / ' '")
  })
})

describe('functions', () => {
  const labels = (code: string): string[] => findFunctions(code).map(({ label }) => label)

  test('are found in every form', () => {
    assert.deepEqual(labels('function f(a) { }'), ['f'])
    assert.deepEqual(labels('class A { m(): Promise<{ a: string }> { } }'), ['m'])
    assert.deepEqual(labels('class A { get(x: A): x is { a: 1 } { } }'), ['get'])
    assert.deepEqual(labels('call(async (a): Promise<void> => { })'), ['call'])
    assert.deepEqual(labels('call(a => { })'), ['call'])
  })

  test('are not mistaken for blocks and objects', () => {
    assert.deepEqual(
      labels('if (a) { } for (const b of c) { } while (d) { } switch (e) { } catch (f) { }'),
      [],
    )
    assert.deepEqual(labels('x = f(a) ? g(b) : { c }; y = (a) => ({ b }); class A extends B { }'), [])
  })
})

describe('sizes', () => {
  test('a file of more than 500 lines', () => {
    assertClean('src/engine/a.ts', 'a\n'.repeat(500))
    assertFault(
      'src/engine/a.ts',
      'a\n'.repeat(501),
      'src/engine/a.ts:500 a file has at most 500 lines, this one 501',
    )
  })

  test('a function of more than 70 lines, but not a suite', () => {
    const body = `() => {${'\n'.repeat(70)}}`
    assertFault(
      'src/engine/a.ts',
      `\nconst f = ${body}`,
      'src/engine/a.ts:2 a function has at most 70 lines, this one 71',
    )
    assertClean('test/a.test.ts', `describe('a', ${body})`)
  })

  test('a line of more than 120 characters', () => {
    assertFault(
      'src/engine/a.ts',
      `\n// ${'x'.repeat(118)}`,
      'src/engine/a.ts:2 a line has at most 120 characters',
    )
  })
})

// The texts below are what the rules judge, the promises and the skipped tests among them: nothing here is skipped.
describe('banned words', () => {
  const planted: readonly (readonly [string, string])[] = [
    ['export default 1', 'no default exports: export default'],
    ['export { a as default }', 'no default exports: as default'],
    ['const enum E { A }', 'no enums: enum E'],
    ['let a: any', 'no any: any'],
    ['let a = b as any', 'no any: any'],
    ['let a: Map<string, any>', 'no any: any'],
    ['a!.b()', 'no non-null assertions: a!'],
    ['f(a[0]!)', 'no non-null assertions: ]!'],
    ['let a!: string', 'no non-null assertions: a!'],
    ['// TODO later', 'no promises in comments: TODO'],
  ]
  for (const [text, fault] of planted) {
    test(text, () => assertFault('src/engine/a.ts', `\n${text}`, `src/engine/a.ts:2 ${fault}`))
  }

  test('are let through where they are something else', () => {
    assertClean(
      'src/engine/a.ts',
      "Promise.any(a); AbortSignal.any([b]); if (!a && b !== c && d != e) f(!g); h = 'any'",
    )
    assertClean('src/engine/a.ts', 'const t = { any: 1 } // any enum a! export default')
    assertClean('src/engine/a.ts', 'await new Date(performance.now() + Math.random())')
    assertClean('src/engine/a.ts', 'list.only(1); it.skip')
  })

  test('skipped and lonely tests', () => {
    for (const text of ['test.skip', 'describe.only', 'it.todo', 't.skip', '{ skip: true }', '{ todo: 1 }']) {
      assert.equal(faultsOf('test/a.test.ts', `f(${text})`).length, 1, text)
    }
  })

  test('time, chance, promises and platforms in the pure rooms', () => {
    for (const word of [
      'Date',
      'performance',
      'async',
      'await',
      'Promise',
      'Math.random',
      'setTimeout',
      'console',
    ]) {
      assert.equal(faultsOf('src/core/raft/a.ts', `x(${word} )`).length, 1, word)
      assert.equal(faultsOf('src/base/a.ts', `x(${word} )`).length, 1, word)
      assertClean('src/wire/a.ts', `x(${word} )`)
    }
  })
})

describe('imports', () => {
  const refused: readonly (readonly [string, string, string])[] = [
    ['src/base/a.ts', '../core/b.ts', 'base may not import core'],
    ['src/core/raft/a.ts', '../../wire/b.ts', 'core may not import wire'],
    ['src/wire/a.ts', '../storage/storage.ts', 'wire may not import ports'],
    ['src/storage/storage.ts', './memory.ts', 'ports may not import storage/memory'],
    ['src/storage/file-lock.ts', './memory.ts', 'storage/file may not import storage/memory'],
    ['src/transport/webrtc-node.ts', './relay.ts', 'transport/webrtc may not import transport/relay'],
    ['src/transport/mesh.ts', './webrtc.ts', 'transport/shared may not import transport/webrtc'],
    ['src/transport/mesh.ts', './create-mesh.ts', 'transport/shared may not import transport/assembly'],
    ['src/transport/create-mesh.ts', '../storage/file.ts', 'transport/assembly may not import storage/file'],
    ['src/engine/a.ts', '../storage/file.ts', 'engine may not import storage/file'],
    ['src/engine/a.ts', '../index.ts', 'engine may not import index'],
    ['src/index.ts', './transport/mesh.ts', 'index may not import transport/shared'],
    ['src/browser.ts', './node.ts', 'browser may not import node'],
    ['src/node.ts', './server/index.ts', 'node may not import server'],
    ['src/testing/a.ts', '../server/index.ts', 'testing may not import server'],
    ['src/engine/a.ts', '../testing/index.ts', 'engine may not import testing'],
    ['demo/main.ts', '../src/node.ts', 'demo may not import node'],
    ['src/engine/a.ts', '../../test/b.ts', 'the library may not import test/b.ts'],
    ['src/engine/a.ts', './b', 'imports carry their extension: ./b'],
    ['src/engine/a.ts', 'node:fs', 'engine runs in browsers and may not import node:'],
  ]
  for (const [path, specifier, fault] of refused) {
    test(`${path} imports ${specifier}`, () => {
      assertFault(path, `\nimport { x } from '${specifier}'`, `${path}:2 ${fault}`)
      assertFault(path, `\nimport type {\n x } from '${specifier}'`, `${path}:3 ${fault}`)
    })
  }

  test('the engine uses what lies in a drawer on the left, and names the types of all', () => {
    const path = 'src/engine/replica/a.ts'
    const fault = `${path}:1 engine/replica may not use engine/host`
    assertFault(path, "import { b } from '../host/b.ts'", fault)
    assertFault(path, "import { b } from '../shed/b.ts'", `${path}:1 engine/replica may not use engine/shed`)
    assertFault(
      'src/engine/calls/a.ts',
      "import '../parts.ts'",
      'src/engine/calls/a.ts:1 engine/calls may not use engine/.',
    )
    assertClean(
      path,
      "import type { b } from '../host/b.ts'; import { c } from '../calls/c.ts'; import '../parts.ts'",
    )
    assertClean('src/engine/parts.ts', "import { b } from './calls/b.ts'; import './types.ts'")
  })

  test('are found in every form', () => {
    const forms = [
      "import '../x.ts'",
      "export * from '../x.ts'",
      "await import('../x.ts')",
      "import a, { b } from '../x.ts'",
    ]
    for (const form of forms) assert.equal(faultsOf('src/engine/a.ts', form).length, 1, form)
    assertClean('src/engine/a.ts', "const from = 'a'; // import 'node:fs'\nconst b = \"import 'node:fs'\"")
  })

  test('that point left are let through', () => {
    assertClean('src/engine/a.ts', "import '../storage/storage.ts'; import '../core/b.ts'; import './c.ts'")
    assertClean('src/storage/file.ts', "import './storage.ts'; import './file-lock.ts'; import 'node:fs'")
    assertClean(
      'src/node.ts',
      "import './transport/webrtc-node.ts'; import './storage/file.ts'; import './index.ts'",
    )
    assertClean(
      'src/transport/create-mesh.ts',
      "import './relay.ts'; import './webrtc.ts'; import './mesh.ts'",
    )
    assertClean('src/testing/simulator/a.ts', "import '../../engine/b.ts'; import '../../storage/memory.ts'")
    assertClean('test/a.test.ts', "import '../src/cli/main.ts'; import './b.ts'")
  })

  test('of one package stand in one file', () => {
    const fault = 'src/wire/b.ts:1 msgpackr is imported by src/wire/a.ts alone'
    assertFault('src/wire/a.ts', "import 'msgpackr'", fault, { 'src/wire/b.ts': "import 'msgpackr/pack'" })
  })

  test('do not run in circles', () => {
    const fault = 'src/wire/a.ts:1 import cycle: src/wire/a.ts -> src/wire/b.ts -> src/wire/a.ts'
    assertFault('src/wire/a.ts', "import './b.ts'", fault, { 'src/wire/b.ts': "import './a.ts'" })
  })
})

test('a file name that is not kebab-case', () => {
  assertFault('src/engine/hostLoop.ts', '', 'src/engine/hostLoop.ts:1 file names are kebab-case')
})

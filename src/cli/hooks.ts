import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkHooks, type StoreHooks } from '../engine/store-hooks.ts'
import { CommandFailed } from './command.ts'

const names = ['commands', 'validate', 'requests'] as const

/** What a module of the application adds to the store of a seed. */
export async function loadHooks(path: string): Promise<StoreHooks> {
  const file = resolve(path)
  if (!existsSync(file)) throw new CommandFailed(`--hooks ${path}: there is no such file`)
  const module = await importModule(path, file)
  const hooks = Object.fromEntries(names.filter(name => name in module).map(name => [name, module[name]]))
  if (Object.keys(hooks).length === 0)
    throw new CommandFailed(`--hooks ${path}: the module exports none of ${names.join(', ')}`)
  try {
    return checkHooks(hooks as StoreHooks)
  } catch (error) {
    throw new CommandFailed(`--hooks ${path}: ${reasonOf(error)}`)
  }
}

/** Those of the application, and the commands of the demo: neither may take the place of the other's. */
export function withDemo(demo: StoreHooks, own: StoreHooks): StoreHooks {
  const both = Object.keys(own.commands ?? {}).find(name => Object.hasOwn(demo.commands ?? {}, name))
  if (both !== undefined) throw new CommandFailed(`--hooks and --demo both have the command ${both}`)
  return { ...own, commands: { ...demo.commands, ...own.commands } }
}

async function importModule(path: string, file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new CommandFailed(`--hooks ${path} cannot be loaded: ${reasonOf(error)}`)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

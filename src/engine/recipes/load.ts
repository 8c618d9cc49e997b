import { QuorateError } from '../../core/error.ts'

type Recipes = typeof import('./recipes.ts')

let loading: Promise<Recipes> | undefined

/** The script of the recipes, which the first one of them loads. Rejects with UNREACHABLE; the next one tries again. */
export function loadRecipes(): Promise<Recipes> {
  loading ??= import('./recipes.ts').catch(cause => {
    loading = undefined
    throw new QuorateError('UNREACHABLE', 'a script could not be loaded', { retryable: true, cause })
  })
  return loading
}

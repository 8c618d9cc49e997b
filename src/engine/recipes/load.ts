import { lateScript } from '../calls/late-script.ts'

/** The script of the recipes, which the first one of them loads. */
export const loadRecipes = lateScript(() => import('./recipes.ts'))

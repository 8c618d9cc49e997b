import { byId } from './dom.ts'

export interface PageConfig {
  readonly cluster: string
  readonly secret: string
  /** Where the hosts of the cluster meet: the seed that served this page. */
  readonly seeds: readonly string[]
}

const rememberedSecret = 'quorate.secret'

/** What the seed tells its own page. It keeps an explicit secret to itself, and a person has to know it. */
export async function loadConfig(): Promise<PageConfig> {
  const response = await fetch('config.json')
  if (!response.ok) throw new Error(`the seed answered ${response.status} when it was asked for its cluster`)
  const { cluster, secret } = (await response.json()) as {
    readonly cluster: string
    readonly secret?: string
  }
  return { cluster, secret: secret ?? (await askForSecret()), seeds: [location.origin] }
}

/** Called when the secret was refused, so that the next load of the page asks again. */
export function forgetSecret(): void {
  sessionStorage.removeItem(rememberedSecret)
}

function askForSecret(): Promise<string> {
  const known = sessionStorage.getItem(rememberedSecret)
  if (known !== null) return Promise.resolve(known)
  const form = byId('secret-form', HTMLFormElement)
  const input = byId('secret-input', HTMLInputElement)
  form.hidden = false
  input.focus()
  return new Promise(resolve => {
    form.addEventListener('submit', event => {
      event.preventDefault()
      sessionStorage.setItem(rememberedSecret, input.value)
      form.hidden = true
      resolve(input.value)
    })
  })
}

import { byId, element } from './dom.ts'
import { shortName } from './host-name.ts'
import { Message } from './message.ts'
import type { Session } from './session.ts'

const racersMax = 40

/** Names that nobody can have twice: `insert` on one key, alone or many at once. */
export function startClaimPanel({ host, store, latency }: Session): void {
  const message = new Message('claim-message')
  const input = byId('claim-name', HTMLInputElement)
  const race = byId('claim-race', HTMLButtonElement)

  byId('claim-form', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    const name = input.value.trim().toLowerCase()
    if (name === '') return
    void message.around(async () => {
      const claim = { by: shortName(host.id) }
      const { ok, value, revision } = await latency.measure(() => store.insert(`name/${name}`, claim))
      if (ok) message.say(`${name} is yours, since revision ${revision}`, 'good')
      else message.say(`${name} is taken, by ${ownerOf(value)} at revision ${revision}`, 'bad')
    })
  })

  race.addEventListener('click', () => {
    race.disabled = true
    void message
      .around(() => runRace(message, { host, store }))
      .then(() => {
        race.disabled = false
      })
  })
}

async function runRace(message: Message, { host, store }: Pick<Session, 'host' | 'store'>): Promise<void> {
  const key = `race/${crypto.randomUUID().slice(0, 8)}`
  const dots = Array.from({ length: racersMax }, () => element('i'))
  byId('claim-dots', HTMLElement).replaceChildren(...dots)
  const start = performance.now()
  const runs = dots.map(async (dot, racer) => {
    try {
      const { ok } = await store.insert(key, { by: shortName(host.id), racer })
      dot.className = ok ? 'won' : 'lost'
      return ok
    } catch (error) {
      dot.className = 'failed'
      throw error
    }
  })
  const settled = await Promise.allSettled(runs)
  const failed = settled.find(run => run.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  const winners = settled.filter(run => run.status === 'fulfilled' && run.value).length
  const ms = (performance.now() - start).toFixed(0)
  message.say(`${racersMax} raced, ${winners} won, in ${ms} ms`, winners === 1 ? 'good' : 'bad')
}

function ownerOf(value: unknown): string {
  const isClaim = typeof value === 'object' && value !== null && 'by' in value
  return isClaim ? String(value.by) : 'somebody'
}

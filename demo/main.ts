import { type Host, openHost, QuorateError, type Store } from '../src/browser.ts'
import { startClaimPanel } from './claim-panel.ts'
import { ClusterPanel } from './cluster-panel.ts'
import { forgetSecret, loadConfig } from './config.ts'
import { CounterPanel } from './counter-panel.ts'
import { describeError } from './describe-error.ts'
import { byId, coalesced } from './dom.ts'
import { hueOf, shortName } from './host-name.ts'
import { KeysPanel } from './keys-panel.ts'
import { Latency } from './latency.ts'
import { LiveKeys } from './live-keys.ts'
import { Notices } from './notices.ts'
import { commands } from './seats.ts'
import { SeatsPanel } from './seats-panel.ts'
import { StatsPanel } from './stats-panel.ts'
import { showStorage } from './storage-notice.ts'

declare global {
  /** For the console, and for tests. */
  var quorate: { readonly host: Host; readonly store: Store } | undefined
}

type PageState = 'starting' | 'ready' | 'failed'

const refreshMs = 1000
const membersMs = 3000
const pulseMs = 1000
const insecure =
  'Browsers give cryptography and locks only to pages from https:// or localhost. Open this page by one of the two.'
const notices = new Notices()

start().catch(fail)

async function start(): Promise<void> {
  if (!isSecureContext) throw new QuorateError('INSECURE_CONTEXT', insecure)
  const { cluster, secret, seeds } = await loadConfig()
  byId('cluster-name', HTMLElement).textContent = cluster
  document.title = `${cluster} · Quorate`
  say('starting', 'Joining')
  const host = await openHost({ cluster, secret, seeds })
  // Without this the others would take a closed tab for a slow one, for seconds.
  addEventListener('pagehide', () => void host.close())
  // A page that comes back out of the browser's cache comes back with a closed host.
  addEventListener('pageshow', event => event.persisted && location.reload())
  const store = await openStore(host)
  document.documentElement.style.setProperty('--hue', hueOf(host.id))
  document.title = `${shortName(host.id)} · ${cluster} · Quorate`
  showPanels(host, store)
  globalThis.quorate = { host, store }
  say('ready', 'Joined')
  await showStorage()
}

/**
 * Waits as long as it takes: a cluster without a quorum, or a seed that restarts, is not the end of the page.
 */
async function openStore(host: Host): Promise<Store> {
  for (;;) {
    try {
      const store = await host.store('main', { commands })
      notices.set('join', undefined)
      return store
    } catch (error) {
      if (!(error instanceof QuorateError) || !error.retryable) throw error
      notices.set('join', { tone: 'warning', title: 'Still joining.', text: describeError(error) })
    }
  }
}

function showPanels(host: Host, store: Store): void {
  const latency = new Latency(coalesced(() => stats.renderLatency()))
  const renderKeys = coalesced(() => {
    keysPanel.render()
    counter.render()
  })
  const keys = new LiveKeys(store, change => {
    if (change === undefined) notices.set('watch', undefined)
    renderKeys()
  })
  const session = { host, store, keys, latency }
  const keysPanel = new KeysPanel(session)
  const counter = new CounterPanel(session)
  const stats = new StatsPanel(session)
  const seats = new SeatsPanel(session)
  const cluster = new ClusterPanel(session)
  const renderState = coalesced(() => {
    stats.render()
    cluster.render()
    showHealth(host, store)
  })
  for (const part of document.querySelectorAll('main > [inert]')) part.removeAttribute('inert')
  startClaimPanel(session)
  startPulse(session)
  for (const event of ['leader', 'members', 'applied'] as const) store.on(event, renderState)
  for (const event of ['connected', 'disconnected', 'error'] as const) host.on(event, renderState)
  setInterval(renderState, refreshMs)
  // A failure shows in the notice about the quorum, or in the next answer.
  const ask = () => void cluster.ask().then(renderState, () => undefined)
  setInterval(ask, membersMs)
  ask()
  renderState()
  stats.renderLatency()
  void seats.follow()
  void keys.follow(error => {
    notices.set('watch', { tone: 'warning', title: 'The view is behind.', text: describeError(error) })
  })
}

function showHealth(host: Host, store: Store): void {
  const { leader, role } = store.status()
  const { error } = host
  if (error !== undefined) {
    notices.set('health', { tone: 'danger', title: 'This host stopped.', text: describeError(error) })
    say('failed', 'Stopped')
  } else if (role === 'removed') {
    const text = 'It keeps what it knew, and hears nothing new. Clear the data of this site to join anew.'
    notices.set('health', { tone: 'danger', title: 'This host was removed from the store.', text })
    say('failed', 'Removed')
  } else if (leader === undefined && role !== 'client') {
    const text =
      'Writes and current reads are refused until a majority of the voters is back. Nothing is lost.'
    notices.set('health', { tone: 'warning', title: 'No leader.', text })
    byId('state', HTMLElement).dataset.state = 'starting'
    byId('state-text', HTMLElement).textContent = 'No quorum'
  } else {
    notices.set('health', undefined)
    say('ready', 'Joined')
  }
  const text =
    'Another tab of this browser keeps the data of this profile. This one reads and writes through the others.'
  notices.set('client', role === 'client' ? { tone: 'plain', title: 'A second tab.', text } : undefined)
}

/** Steady small writes, so that there is a latency to look at. */
function startPulse({ host, store, latency }: { host: Host; store: Store; latency: Latency }): void {
  const box = byId('pulse', HTMLInputElement)
  let beats = 0
  setInterval(() => {
    if (!box.checked) return
    latency
      .measure(() => store.put(`pulse/${shortName(host.id)}`, ++beats))
      .then(
        () => notices.set('pulse', undefined),
        error => notices.set('pulse', { tone: 'warning', title: 'Not written.', text: describeError(error) }),
      )
  }, pulseMs)
}

/** Tests wait for `data-quorate`; people read the words. It stays 'ready' while there is merely no quorum. */
function say(state: PageState, text: string): void {
  document.documentElement.dataset.quorate = state
  byId('state', HTMLElement).dataset.state = state
  byId('state-text', HTMLElement).textContent = text
}

function fail(error: unknown): void {
  if (error instanceof QuorateError && error.code === 'UNAUTHORIZED') forgetSecret()
  notices.set('join', { tone: 'danger', title: 'This tab could not join.', text: describeError(error) })
  say('failed', 'Failed')
}

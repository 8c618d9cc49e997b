import { byId } from './dom.ts'
import { hostLabel, shortName } from './host-name.ts'
import type { Session } from './session.ts'
import { drawSparkline } from './sparkline.ts'

const sparklineSlots = 80

/** The numbers at the top: part of this host, leader, position in the log, latency. */
export class StatsPanel {
  private readonly session: Session
  private readonly canvas = byId('sparkline', HTMLCanvasElement)

  constructor(session: Session) {
    this.session = session
    set('stat-host', shortName(session.host.id))
    new ResizeObserver(() => this.renderLatency()).observe(this.canvas)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.renderLatency())
  }

  render(): void {
    const { role, leader, term, commit, applied } = this.session.store.status()
    const isClient = role === 'client'
    set('stat-role', role)
    // A client works through whoever answers, and has neither log nor term.
    const nobody = isClient ? 'not asked' : 'none known'
    byId('stat-leader', HTMLElement).replaceChildren(leader === undefined ? nobody : hostLabel(leader))
    set('stat-term', isClient ? 'known to the members' : `term ${term}`)
    set('stat-commit', (isClient ? applied : commit).toLocaleString('en'))
    const behind = applied === commit ? 'all applied' : `applied ${applied.toLocaleString('en')}`
    set('stat-applied', isClient ? 'as last heard' : behind)
  }

  renderLatency(): void {
    const { latency } = this.session
    set('stat-latency', latency.last === undefined ? '–' : milliseconds(latency.last))
    const [half, most] = [latency.quantile(0.5), latency.quantile(0.99)]
    if (half !== undefined && most !== undefined) {
      set('stat-latency-range', `p50 ${milliseconds(half)} · p99 ${milliseconds(most)}`)
    } else set('stat-latency-range', 'no write from this tab yet')
    drawSparkline(this.canvas, latency.recent, sparklineSlots)
  }
}

function milliseconds(ms: number): string {
  return `${ms < 100 ? ms.toFixed(1) : ms.toFixed(0)} ms`
}

function set(id: string, text: string): void {
  const node = byId(id, HTMLElement)
  if (node.textContent !== text) node.textContent = text
}

import { describeRole, describeRoundTrip, type HostView, isStandingBy } from './cluster-view.ts'
import { svg } from './dom.ts'
import { hueOf, shortName } from './host-name.ts'

const width = 480
const center = { x: width / 2, y: 0 }
const hostsMax = 12

interface Point {
  readonly x: number
  readonly y: number
}

/** The hosts as a picture: this one in the middle, the lines are its own connections. */
export function drawCluster(hosts: readonly HostView[]): SVGSVGElement {
  const shown = hosts.slice(0, hostsMax + 1)
  const others = shown.filter(({ isSelf }) => !isSelf)
  const places = new Map<HostView, Point>()
  for (const host of shown)
    places.set(host, host.isSelf ? center : placeOf(others.indexOf(host), others.length))
  const here = hosts.filter(({ isHere }) => isHere).length
  const label = `${here} of ${hosts.length} hosts are here; the list below has the details`
  return svg(
    'svg',
    { viewBox: viewBoxFor(others.length), role: 'img', 'aria-label': label },
    ...others.map(host => edge(host, places.get(host) ?? center)),
    ...shown.map(host => node(host, places.get(host) ?? center)),
    ...others.map(host => edgeLabel(host, places.get(host) ?? center)),
  )
}

/** Up to two others stand beside this host; more of them need height. */
function viewBoxFor(count: number): string {
  return count <= 2 ? `0 -60 ${width} 120` : `0 -140 ${width} 290`
}

/** Around an ellipse, turned so that nobody stands straight above or below: there are the names. */
function placeOf(position: number, count: number): Point {
  const start = Math.PI + (count % 4 === 0 ? Math.PI / count : 0)
  const angle = start + (2 * Math.PI * position) / count
  return { x: center.x + 172 * Math.cos(angle), y: center.y + 96 * Math.sin(angle) }
}

function edge({ connection }: HostView, { x, y }: Point): SVGElement | undefined {
  if (connection === undefined) return undefined
  return svg('line', { class: `edge ${connection.path}`, x1: center.x, y1: center.y, x2: x, y2: y })
}

function edgeLabel({ connection }: HostView, { x, y }: Point): SVGElement | undefined {
  const text = connection && describeRoundTrip(connection)
  if (text === undefined) return undefined
  const at = { x: (center.x + x) / 2, y: (center.y + y) / 2 - 6 }
  return svg('text', { class: 'edge-label', x: at.x, y: at.y }, text)
}

function node(host: HostView, { x, y }: Point): SVGElement {
  const radius = host.isSelf ? 25 : 20
  const marks = [
    host.role,
    host.isWitness && 'witness',
    isStandingBy(host) && 'standby',
    !host.isHere && 'away',
  ]
  const kind = ['node', ...marks.filter(mark => mark !== false)].join(' ')
  return svg(
    'g',
    { class: kind, transform: `translate(${x} ${y})`, hue: hueOf(host.hostId) },
    svg('title', {}, host.hostId),
    svg('circle', { class: 'halo', r: radius }),
    svg('circle', { class: 'core', r: radius - 5 }),
    host.isLeader ? svg('path', { class: 'crown', d: crown(radius) }) : undefined,
    svg('text', { y: radius + 16 }, shortName(host.hostId)),
    svg('text', { class: 'caption', y: radius + 30 }, captionOf(host)),
  )
}

function captionOf(host: HostView): string {
  const { isSelf, isHere, isLeader } = host
  const what = isLeader ? 'leader' : describeRole(host)
  if (isSelf) return `this tab, ${what}`
  return isHere ? what : `${what}, not here`
}

/** Three points above the circle. */
function crown(radius: number): string {
  const y = -radius + 3
  return `M-11 ${y} l-2 -14 l7 6 l6 -9 l6 9 l7 -6 l-2 14 Z`
}

import { element } from './dom.ts'

/** The first characters of a host's id: enough for people to tell a handful of hosts apart. */
export function shortName(hostId: string): string {
  return hostId.slice(0, 6)
}

/** A colour of its own for every host, the same in every tab. */
export function hueOf(hostId: string): string {
  let hash = 0
  for (const character of hostId) hash = (hash * 31 + character.charCodeAt(0)) % 4093
  return `${(hash * 137) % 360}`
}

export function hostLabel(hostId: string): HTMLElement {
  return element('span', { class: 'host', title: hostId, hue: hueOf(hostId) }, shortName(hostId))
}

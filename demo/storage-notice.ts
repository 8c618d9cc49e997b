import { byId, element } from './dom.ts'

/** Says whether the browser promised to keep this host's data, and lets a person ask for it. */
export async function showStorage(): Promise<void> {
  const place = byId('storage', HTMLElement)
  if (await navigator.storage.persisted()) {
    place.textContent = 'Storage is persistent'
    return
  }
  const ask = element('button', { class: 'small' }, 'Keep it')
  ask.addEventListener('click', () => {
    void navigator.storage.persist().then(granted => {
      place.textContent = granted ? 'Storage is persistent' : 'The browser did not grant persistent storage'
    })
  })
  place.replaceChildren('The browser may clear this host’s data when disk space runs low ', ask)
}

import { byId, element, keyedRows } from './dom.ts'
import type { LiveKey } from './live-keys.ts'
import { Message } from './message.ts'
import { parseValue } from './parse-value.ts'
import type { Session } from './session.ts'

const rowsMax = 300

/** A value may have a megabyte, of which a table shows the beginning. To edit it, one has it whole. */
const shownLengthMax = 200

/** The table of keys: what is in the store now, with forms to change it. */
export class KeysPanel {
  private readonly session: Session
  private readonly message = new Message('keys-message')
  private readonly filter = byId('keys-filter', HTMLInputElement)
  private readonly empty = byId('keys-empty', HTMLElement)
  /** What is there at first is no news, and does not flash. */
  private wasShown = false
  private readonly show: (keys: readonly LiveKey[]) => void

  constructor(session: Session) {
    this.session = session
    this.show = keyedRows(
      byId('keys', HTMLElement),
      ({ key }: LiveKey) => key,
      live => new KeyRow(live, this, this.wasShown),
    )
    this.filter.addEventListener('input', () => this.render())
    const [form, key, value] = [byId('keys-form', HTMLFormElement), field('keys-key'), field('keys-value')]
    form.addEventListener('submit', event => {
      event.preventDefault()
      const given = value.value
      void this.put(key.value, given).then(wasWritten => {
        // What was refused, or typed while the answer was under way, is not thrown away.
        if (!wasWritten || value.value !== given) return
        value.value = ''
        key.focus()
      })
    })
  }

  render(): void {
    const found = this.session.keys.list(this.filter.value)
    this.show(found.slice(0, rowsMax))
    this.wasShown = true
    const rest = found.length - rowsMax
    this.empty.hidden = found.length > 0 && rest <= 0
    this.empty.textContent = found.length > 0 ? `and ${rest} more: filter by prefix` : 'Nothing stored yet.'
  }

  /** False when it was refused. */
  put(key: string, text: string): Promise<boolean> {
    return this.message.around(async () => {
      const value = parseValue(text)
      const { store, latency } = this.session
      const { revision } = await latency.measure(() => store.put(key, value))
      this.message.say(`${key} was written at revision ${revision}`, 'good')
    })
  }

  delete(key: string): Promise<boolean> {
    return this.message.around(async () => {
      const { store, latency } = this.session
      const { ok, revision } = await latency.measure(() => store.delete(key))
      this.message.say(ok ? `${key} was deleted at revision ${revision}` : `${key} was gone already`, 'good')
    })
  }
}

/** One key: its value is a button that becomes a field. */
class KeyRow {
  readonly node: HTMLTableRowElement
  private live: LiveKey
  private readonly panel: KeysPanel
  private readonly value = element('td', { class: 'value' })
  private readonly revision = element('td', { class: 'number' })
  private isEditing = false
  private isNews: boolean

  constructor(live: LiveKey, panel: KeysPanel, isNews: boolean) {
    this.live = { ...live, revision: 0 }
    this.panel = panel
    this.isNews = isNews
    const remove = element('button', { class: 'small danger', 'aria-label': `Delete ${live.key}` }, 'Delete')
    remove.addEventListener('click', () => void panel.delete(live.key))
    const key = element('td', { class: 'key' }, live.key)
    this.node = element('tr', {}, key, this.value, this.revision, element('td', {}, remove))
  }

  update(live: LiveKey): void {
    if (live.revision === this.live.revision) return
    this.live = live
    this.revision.textContent = `${live.revision}`
    if (!this.isEditing) this.display()
    if (this.isNews) this.flash()
    this.isNews = true
  }

  private flash(): void {
    // Begins the animation anew where one is running.
    this.node.classList.remove('changed')
    void this.node.offsetWidth
    this.node.classList.add('changed')
  }

  private display(): void {
    this.isEditing = false
    const { key, value } = this.live
    const button = element('button', { 'aria-label': `Edit ${key}` }, beginningOf(JSON.stringify(value)))
    button.addEventListener('click', () => this.edit())
    this.value.replaceChildren(button)
  }

  private edit(): void {
    this.isEditing = true
    const input = element('input', { 'aria-label': `Value of ${this.live.key}` })
    input.value = JSON.stringify(this.live.value)
    const before = input.value
    input.addEventListener('blur', () => this.display())
    input.addEventListener('keydown', event => {
      if (event.key === 'Escape') input.blur()
      if (event.key !== 'Enter') return
      if (input.value !== before) void this.panel.put(this.live.key, input.value)
      input.blur()
    })
    this.value.replaceChildren(input)
    input.focus()
    input.select()
  }
}

function beginningOf(text: string): string {
  return text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax - 1)} …`
}

function field(id: string): HTMLInputElement {
  return byId(id, HTMLInputElement)
}

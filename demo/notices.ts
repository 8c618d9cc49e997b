import { byId, element } from './dom.ts'

export interface Notice {
  readonly tone: 'plain' | 'warning' | 'danger'
  readonly title: string
  readonly text: string
}

/** Lines across the top of the page, one for each matter that deserves one. */
export class Notices {
  private readonly node = byId('notices', HTMLElement)
  private readonly shown = new Map<string, { readonly content: string; readonly node: HTMLElement }>()

  /** Shows, changes or (without a notice) takes back what is said about a matter. */
  set(matter: string, notice: Notice | undefined): void {
    const content = JSON.stringify(notice)
    const before = this.shown.get(matter)
    if (before?.content === content) return
    before?.node.remove()
    this.shown.delete(matter)
    if (notice === undefined) return
    const { tone, title, text } = notice
    const node = element(
      'div',
      { class: `notice ${tone}` },
      element('p', {}, element('strong', {}, title), ` ${text}`),
    )
    this.shown.set(matter, { content: content ?? '', node })
    this.node.append(node)
  }
}

// The little that the page needs instead of a framework.

type Child = Node | string | undefined

/** The element of index.html with this id, of the given class. */
export function byId<T extends Element>(id: string, kind: abstract new (...args: never) => T): T {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`index.html has no ${kind.name} named ${id}`)
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  return fill(document.createElement(name), attributes, children)
}

export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Name] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children)
}

/**
 * Makes the children of `parent` the rows of `items`, in order. A row lives as long as its key is among the
 * items, so that a focus, a selection or a half-typed value survives the changes around it.
 */
export function keyedRows<Item, Row extends { readonly node: Element; update(item: Item): void }>(
  parent: Element,
  keyOf: (item: Item) => string,
  create: (item: Item) => Row,
): (items: readonly Item[]) => void {
  const rows = new Map<string, Row>()
  return items => {
    const keys = new Set(items.map(keyOf))
    for (const [key, row] of rows) {
      if (keys.has(key)) continue
      rows.delete(key)
      row.node.remove()
    }
    let before: Element | null = null
    for (const item of items) {
      const known = rows.get(keyOf(item))
      const row = known ?? create(item)
      if (known === undefined) rows.set(keyOf(item), row)
      row.update(item)
      const place: Element | null = before === null ? parent.firstElementChild : before.nextElementSibling
      if (place !== row.node) parent.insertBefore(row.node, place)
      before = row.node
    }
  }
}

/**
 * Calls back once in the next frame, however often it is asked to; in a hidden tab, where no frames come,
 * soon.
 */
export function coalesced(callback: () => void): () => void {
  let isDue = false
  const run = () => {
    isDue = false
    callback()
  }
  return () => {
    if (isDue) return
    isDue = true
    if (document.visibilityState === 'visible') requestAnimationFrame(run)
    else setTimeout(run, 200)
  }
}

function fill<T extends Element>(
  target: T,
  attributes: Readonly<Record<string, string | number>>,
  children: readonly Child[],
): T {
  for (const [name, value] of Object.entries(attributes)) {
    // The policy of the page forbids style attributes, but not what a script sets.
    if (name === 'hue' && 'style' in target)
      (target.style as CSSStyleDeclaration).setProperty('--hue', `${value}`)
    else target.setAttribute(name, `${value}`)
  }
  target.append(...children.filter(child => child !== undefined))
  return target
}

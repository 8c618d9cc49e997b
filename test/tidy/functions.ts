/** A function with a body, by its place in scanned code (see scan.ts). */
export interface FunctionSpan {
  /** Where its parameters begin; for an arrow function with one bare parameter, where its body begins. */
  readonly start: number
  /** Where its closing brace stands. */
  readonly end: number
  /** Its name, or that of the call that it is handed to; empty where there is neither. */
  readonly label: string
}

/**
 * Finds every function body in scanned code: a block that follows a parameter list, a return type or an arrow. Blocks
 * of `if` and the like are told by the word before their parentheses.
 */
export function findFunctions(code: string): FunctionSpan[] {
  const { pairs, parents } = matchBrackets(code)
  const labelOf = (open: number): string => {
    const parent = parents.get(open)
    const own = wordBefore(code, open)
    if (own !== '' && own !== 'async' && own !== 'function') return own
    return parent === undefined ? '' : wordBefore(code, parent)
  }
  const spans: FunctionSpan[] = []
  for (const [open, close] of pairs) {
    if (code[open] === '(' && !controlWords.has(wordBefore(code, open))) {
      const end = pairs.get(bodyAfterParameters(code, pairs, close + 1) ?? -1)
      if (end !== undefined) spans.push({ start: open, end, label: labelOf(open) })
    } else if (code[open] === '{' && /[\w$]\s*=>\s*$/.test(code.slice(Math.max(0, open - 80), open))) {
      spans.push({ start: open, end: close, label: labelOf(open) })
    }
  }
  return spans
}

const controlWords = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'await'])

interface Brackets {
  /** Opening to closing position. */
  readonly pairs: ReadonlyMap<number, number>
  /** Opening position to that of the bracket around it. */
  readonly parents: ReadonlyMap<number, number>
}

/** Angle brackets are left out: they are operators as well. */
function matchBrackets(code: string): Brackets {
  const pairs = new Map<number, number>()
  const parents = new Map<number, number>()
  const open: number[] = []
  for (let position = 0; position < code.length; position++) {
    const character = code.charAt(position)
    if ('([{'.includes(character)) {
      const parent = open.at(-1)
      if (parent !== undefined) parents.set(position, parent)
      open.push(position)
    }
    if (')]}'.includes(character)) {
      const start = open.pop()
      if (start !== undefined) pairs.set(start, position)
    }
  }
  return { pairs, parents }
}

/** Where the body begins when `position`, right behind a `)`, ends a parameter list; else undefined. */
function bodyAfterParameters(
  code: string,
  pairs: ReadonlyMap<number, number>,
  position: number,
): number | undefined {
  const next = skipSpace(code, position)
  if (code[next] === '{') return next
  if (code.startsWith('=>', next)) return bodyAfterArrow(code, next)
  return code[next] === ':' ? bodyAfterType(code, pairs, next + 1) : undefined
}

function bodyAfterArrow(code: string, arrow: number): number | undefined {
  const body = skipSpace(code, arrow + 2)
  return code[body] === '{' ? body : undefined
}

/** Reads a return type and finds the brace behind it. Braces inside it follow an operator of types, or `is`. */
function bodyAfterType(code: string, pairs: ReadonlyMap<number, number>, start: number): number | undefined {
  let seen = ':'
  for (let position = skipSpace(code, start); position < code.length; position = skipSpace(code, position)) {
    const character = code.charAt(position)
    // An arrow behind parameters belongs to a function type; behind anything else it is the function's own.
    if (code.startsWith('=>', position) && !seen.endsWith(')')) return bodyAfterArrow(code, position)
    if (character === '{' && !/([:|&<,([]|=>|\bis)$/.test(seen)) return isType(seen) ? position : undefined
    if (';)]}'.includes(character) || (character === '=' && code[position + 1] !== '>')) return undefined
    const close = '([{'.includes(character) ? pairs.get(position) : undefined
    const end = close === undefined ? position + Math.max(1, wordLength(code, position)) : close + 1
    seen += code.slice(position, end)
    position = end
  }
  return undefined
}

/** A ternary's second branch also stands behind `) :`, but calls and operators have no place in a type. */
function isType(seen: string): boolean {
  return !/[+*/%]|\?\?/.test(seen.replaceAll('=>', ''))
}

function wordLength(code: string, position: number): number {
  return /^[\w$]+\s?/.exec(code.slice(position, position + 80))?.[0].length ?? 0
}

function wordBefore(code: string, position: number): string {
  return /([\w$]+)\s*(?:<[^<>()]*>)?\s*$/.exec(code.slice(Math.max(0, position - 80), position))?.[1] ?? ''
}

function skipSpace(code: string, position: number): number {
  let next = position
  while (/\s/.test(code.charAt(next))) next++
  return next
}

import type { Clock } from './clock.ts'

// A hidden page's own timers ring once a second at best, which would cost a leader its followers. Those of a worker
// are not held back, so they ring for us; where there is no worker (a strict content security policy), the page's own
// must do.
const workerSource = `
const timers = new Map()
onmessage = ({ data: [id, ms] }) => {
  if (ms === null) {
    clearTimeout(timers.get(id))
    timers.delete(id)
    return
  }
  timers.set(id, setTimeout(() => {
    timers.delete(id)
    postMessage(id)
  }, ms))
}`

let shared: Clock | undefined

/** Real time in a page, also while it is hidden. All hosts of a page share one: a worker costs a thread, and stays. */
export function browserClock(): Clock {
  shared ??= {
    now: () => performance.now(),
    wall: () => Date.now(),
    after: workerTimers() ?? pageTimer,
    soon: messageQueue(),
  }
  return shared
}

function pageTimer(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms)
  return () => clearTimeout(timer)
}

function workerTimers(): Clock['after'] | undefined {
  let worker: Worker | undefined
  try {
    const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }))
    worker = new Worker(url)
    URL.revokeObjectURL(url)
  } catch {
    return undefined
  }
  const ringing = worker
  const waiting = new Map<number, { readonly ms: number; readonly callback: () => void }>()
  let lastId = 0
  let hasFailed = false
  ringing.onmessage = ({ data }) => {
    const timer = waiting.get(data)
    waiting.delete(data)
    timer?.callback()
  }
  // A policy may refuse the worker only after it was made: what it was to ring for goes over to the page's timers.
  ringing.onerror = () => {
    hasFailed = true
    for (const [id, { ms, callback }] of waiting) {
      pageTimer(ms, () => {
        if (waiting.delete(id)) callback()
      })
    }
  }
  return (ms, callback) => {
    if (hasFailed) return pageTimer(ms, callback)
    const id = ++lastId
    waiting.set(id, { ms, callback })
    ringing.postMessage([id, ms])
    return () => {
      if (waiting.delete(id)) ringing.postMessage([id, null])
    }
  }
}

/** `setTimeout(callback, 0)` waits 4 ms in a page once it is nested; a message comes at once. */
function messageQueue(): Clock['soon'] {
  const { port1, port2 } = new MessageChannel()
  const due: (() => void)[] = []
  port1.onmessage = () => due.shift()?.()
  return callback => {
    due.push(callback)
    port2.postMessage(undefined)
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsReply } from '../../src/server/http-metrics.ts'
import { HostDouble, StoreDouble } from './store-double.ts'

const served = { type: 'host', host: new HostDouble(), store: new StoreDouble() } as const
const signaling = { hosts: () => ['x', 'y'], counters: () => ({ 'bad "name"\n': 3 }) }

/** What Prometheus takes a line for: https://prometheus.io/docs/instrumenting/exposition_formats */
const line =
  /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="(\\.|[^"\\\n])*"(,[a-z_]+="(\\.|[^"\\\n])*")*\})? [0-9.]+)$/

test('the metrics of a seed are text that Prometheus reads, with a type for every family', () => {
  const { status, headers, body } = metricsReply(served, signaling)
  assert.equal(status, 200)
  assert.match(headers?.['content-type'] ?? '', /^text\/plain; version=0\.0\.4/)
  const lines = String(body).split('\n')
  assert.equal(lines.pop(), '')
  for (const one of lines) assert.match(one, line)
  for (const one of lines.filter(text => !text.startsWith('#'))) {
    const [name] = one.split(/[{ ]/, 1)
    assert(
      lines.some(text => text.startsWith(`# TYPE ${name} `)),
      `${name} has no type`,
    )
    assert(
      lines.some(text => text.startsWith(`# HELP ${name} `)),
      `${name} has no help`,
    )
  }
  assert(!String(body).includes('undefined'))
})

test('they tell the groups apart, and why frames were dropped', () => {
  const { body } = metricsReply(served, signaling)
  const lines = String(body).split('\n')
  for (const expected of [
    'quorate_writes_total 7',
    'quorate_peers 1',
    'quorate_group_leads{group="main"} 1',
    'quorate_group_applied{group="main"} 12',
    'quorate_group_leader_changes_total{group="main"} 2',
    'quorate_dropped_total{reason="too large"} 1',
    'quorate_signaling_hosts 2',
    'quorate_signaling_total{what="bad \\"name\\"\\n"} 3',
  ]) {
    assert(lines.includes(expected), `${expected} is missing`)
  }
})

test('a seed without a host counts what it has', () => {
  const { body } = metricsReply({ type: 'signal-only' }, signaling)
  assert.match(String(body), /quorate_signaling_hosts 2/)
  assert.doesNotMatch(String(body), /quorate_turns/)
})

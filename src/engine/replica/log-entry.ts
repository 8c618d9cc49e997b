import type { Command, SessionId } from '../../core/machine/command.ts'
import type { Entry } from '../../core/raft/types.ts'
import type { HostId } from '../../core/types.ts'
import { decodeMembersDelta, decodeProposal } from '../../wire/proposal-codec.ts'
import { decodeValue } from '../../wire/value.ts'
import { keyInTable } from '../query/table-keys.ts'
import { decodeCall } from '../transactions/command.ts'
import { absent, type LogEntry, type StoreCommand } from '../types.ts'

/** An entry of the log as it is shown; its values are decoded anew each time. */
export function logEntryOf(entry: Entry, hostOf: (session: SessionId) => HostId | undefined): LogEntry {
  const { index: revision, term, change, data } = entry
  if (change !== null && change.context.length > 0) {
    const { set, removed } = decodeMembersDelta(change.context)
    const members = set.map(({ host, ...member }) => ({ hostId: host, ...member }))
    return { revision, term, host: undefined, type: 'members', members, removed }
  }
  const none = { revision, term, host: undefined, type: 'none' } as const
  if (data.length === 0) return none
  const { session, command } = decodeProposal(data)
  const shown = storeCommandOf(command)
  return shown === undefined ? none : { revision, term, host: hostOf(session), ...shown }
}

/** What a command asks of the store; undefined where it asks for nothing that anybody could see. */
export function storeCommandOf(command: Command): StoreCommand | undefined {
  switch (command.type) {
    case 'put':
    case 'insert':
      return { type: command.type, ...keyInTable(command.key), value: decodeValue(command.value) }
    case 'delete':
      return { type: 'delete', ...keyInTable(command.key) }
    case 'compare-and-swap': {
      const { key, expected, value } = command
      return {
        type: 'compareAndSwap',
        ...keyInTable(key),
        expected: maybeValue(expected),
        next: maybeValue(value),
      }
    }
    case 'broadcast':
      return { type: 'broadcast', topic: command.topic, body: decodeValue(command.body) }
    case 'fenced':
      return storeCommandOf(command.command)
    case 'call':
      return { type: 'command', name: command.name, args: decodeCall(command.args) }
    case 'lease-grant':
    case 'lease-keep-alive':
    case 'lease-revoke':
    case 'expire':
    case 'barrier':
    case 'open-session':
    case 'close-session':
      return undefined
  }
}

function maybeValue(bytes: Uint8Array | null): unknown {
  return bytes === null ? absent : decodeValue(bytes)
}

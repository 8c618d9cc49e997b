import { unreachable } from '../base/assert.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import type { ByteWriter } from '../wire/byte-writer.ts'
import { MalformedError } from '../wire/codec.ts'
import { readHardState, readSnapshot, writeHardState, writeSnapshot } from '../wire/entry-codec.ts'
import { readEntries, writeEntries } from '../wire/run-codec.ts'
import type { GroupOutline, LoggedWrite, NamedSnapshot, Operation } from './stored-state.ts'

// Stored: these numbers never change their meaning.
const kinds = { write: 1, 'remove-group': 2, checkpoint: 3, carry: 4 } as const
const has = { bootstrap: 1, snapshot: 2, compactTo: 4, entries: 8, hardState: 16 } as const

export function writeOperation(writer: ByteWriter, operation: Operation): void {
  writer.byte(kinds[operation.type])
  switch (operation.type) {
    case 'write':
      writeMap(writer, operation.groups, writeGroup)
      writeMap(writer, operation.values, writeOptionalBytes)
      break
    case 'remove-group':
      writer.text(operation.group)
      break
    case 'checkpoint':
      writeMap(writer, operation.groups, writeOutline)
      writeMap(writer, operation.values, writeOptionalBytes)
      break
    case 'carry':
      writer.text(operation.group)
      writeEntries(writer, operation.entries)
      break
    default:
      unreachable(operation)
  }
}

/** Throws MalformedError on anything that `writeOperation` does not write. */
export function readOperation(reader: ByteReader): Operation {
  const kind = reader.byte()
  switch (kind) {
    case kinds.write:
      return { type: 'write', groups: readMap(reader, readGroup), values: readMap(reader, readOptionalBytes) }
    case kinds['remove-group']:
      return { type: 'remove-group', group: reader.text() }
    case kinds.checkpoint:
      return {
        type: 'checkpoint',
        groups: readMap(reader, readOutline),
        values: readMap(reader, readOptionalBytes),
      }
    case kinds.carry:
      return { type: 'carry', group: reader.text(), entries: readEntries(reader) }
    default:
      throw new MalformedError('an unknown operation')
  }
}

function writeGroup(writer: ByteWriter, write: LoggedWrite): void {
  const { bootstrap, snapshot, compactTo, entries, hardState } = write
  writer.byte(
    (bootstrap === undefined ? 0 : has.bootstrap) |
      (snapshot === undefined ? 0 : has.snapshot) |
      (compactTo === undefined ? 0 : has.compactTo) |
      (entries === undefined ? 0 : has.entries) |
      (hardState === undefined ? 0 : has.hardState),
  )
  if (bootstrap !== undefined) writer.bytes(bootstrap)
  if (snapshot !== undefined) writeNamed(writer, snapshot)
  if (compactTo !== undefined) writer.number(compactTo)
  if (entries !== undefined) writeEntries(writer, entries)
  if (hardState !== undefined) writeHardState(writer, hardState)
}

function readGroup(reader: ByteReader): LoggedWrite {
  const flags = reader.byte()
  if (flags > 31) throw new MalformedError('an unknown part of a write')
  return {
    ...(flags & has.bootstrap && { bootstrap: reader.bytes() }),
    ...(flags & has.snapshot && { snapshot: readNamed(reader) }),
    ...(flags & has.compactTo && { compactTo: reader.number() }),
    ...(flags & has.entries && { entries: readEntries(reader) }),
    ...(flags & has.hardState && { hardState: readHardState(reader) }),
  }
}

export function writeOutline(writer: ByteWriter, outline: GroupOutline): void {
  writeHardState(writer, outline.hardState)
  writeOptionalBytes(writer, outline.bootstrap)
  writer.byte(outline.snapshot === undefined ? 0 : 1)
  if (outline.snapshot !== undefined) writeNamed(writer, outline.snapshot)
  writer.number(outline.first)
  writer.number(outline.count)
}

export function readOutline(reader: ByteReader): GroupOutline {
  return {
    hardState: readHardState(reader),
    bootstrap: readOptionalBytes(reader),
    snapshot: readBoolean(reader) ? readNamed(reader) : undefined,
    first: reader.number(),
    count: reader.number(),
  }
}

function writeNamed(writer: ByteWriter, named: NamedSnapshot): void {
  writeSnapshot(writer, named.snapshot)
  writer.number(named.id)
  writer.byte(named.keepsLog ? 1 : 0)
}

function readNamed(reader: ByteReader): NamedSnapshot {
  return { snapshot: readSnapshot(reader), id: reader.number(), keepsLog: readBoolean(reader) }
}

function writeOptionalBytes(writer: ByteWriter, bytes: Uint8Array | undefined): void {
  writer.byte(bytes === undefined ? 0 : 1)
  if (bytes !== undefined) writer.bytes(bytes)
}

function readOptionalBytes(reader: ByteReader): Uint8Array | undefined {
  return readBoolean(reader) ? reader.bytes() : undefined
}

function readBoolean(reader: ByteReader): boolean {
  const byte = reader.byte()
  if (byte > 1) throw new MalformedError('neither true nor false')
  return byte === 1
}

function writeMap<T>(
  writer: ByteWriter,
  map: ReadonlyMap<string, T>,
  write: (writer: ByteWriter, value: T) => void,
): void {
  writer.number(map.size)
  for (const [name, value] of map) {
    writer.text(name)
    write(writer, value)
  }
}

function readMap<T>(reader: ByteReader, read: (reader: ByteReader) => T): Map<string, T> {
  const map = new Map<string, T>()
  for (let left = reader.count(); left > 0; left--) map.set(reader.text(), read(reader))
  return map
}

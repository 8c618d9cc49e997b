import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Load, Measurement } from './drive.ts'
import { drive, keyCount, valueBytes } from './drive.ts'
import type { EtcdClient } from './etcd-client.ts'
import { connectEtcd } from './etcd-client.ts'
import { endProcess, makeFolder, memberCount } from './processes.ts'
import type { System } from './system.ts'

/** Reads are linearizable. */
export interface ReadableSystem extends System {
  measureReads(load: Load): Promise<Measurement>
}

interface Member {
  readonly name: string
  readonly clientUrl: string
  readonly peerUrl: string
}

/** Three members of etcd on loopback, or undefined where etcd is not installed. Writes go to the leader. */
export async function startEtcd(): Promise<ReadableSystem | undefined> {
  const binary = await findOnPath('etcd')
  if (binary === undefined) return undefined
  const folder = await makeFolder('etcd')
  const members = await planMembers()
  const processes = members.map(member => startMember(binary, member, members, folder.path))
  const client = connectEtcd(await findLeader(members))
  const value = Buffer.alloc(valueBytes, 'v')
  await writeUntilDone(client, value)
  return {
    measure: (load: Load): Promise<Measurement> =>
      drive(load, number => client.put(`key/${number % keyCount}`, value)),
    measureReads: (load: Load): Promise<Measurement> =>
      drive(load, number => client.get(`key/${number % keyCount}`)),
    async close(): Promise<void> {
      client.close()
      await Promise.all(processes.map(endProcess))
      await folder.remove()
    },
  }
}

function startMember(
  binary: string,
  member: Member,
  members: readonly Member[],
  folder: string,
): ChildProcess {
  const child = spawn(
    binary,
    [
      ...['--name', member.name, '--data-dir', join(folder, member.name), '--log-level', 'error'],
      ...['--listen-client-urls', member.clientUrl, '--advertise-client-urls', member.clientUrl],
      ...['--listen-peer-urls', member.peerUrl, '--initial-advertise-peer-urls', member.peerUrl],
      ...['--initial-cluster', members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')],
    ],
    { stdio: 'ignore' },
  )
  const end = (): void => void child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

async function planMembers(): Promise<Member[]> {
  const ports = await freePorts(memberCount * 2)
  return Array.from({ length: memberCount }, (_, number) => ({
    name: `member${number}`,
    clientUrl: `http://127.0.0.1:${ports[number * 2]}`,
    peerUrl: `http://127.0.0.1:${ports[number * 2 + 1]}`,
  }))
}

/** etcd cannot choose ports by itself, as its members must know each other's before any of them runs. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address !== null && typeof address === 'object') ports.push(address.port)
  }
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

async function findLeader(members: readonly Member[]): Promise<string> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await delay(100)) {
    for (const member of members) {
      const status = await readStatus(member)
      if (status?.leader !== undefined && status.leader === status.header?.member_id) return member.clientUrl
    }
  }
  throw new Error('etcd has elected no leader within 20 s')
}

async function readStatus(
  member: Member,
): Promise<{ leader?: string; header?: { member_id?: string } } | undefined> {
  try {
    const response = await fetch(`${member.clientUrl}/v3/maintenance/status`, { method: 'POST', body: '{}' })
    return (await response.json()) as { leader?: string; header?: { member_id?: string } }
  } catch {
    return undefined // Not up yet.
  }
}

/** The first write may meet a leader that has not heard from its followers yet. */
async function writeUntilDone(client: EtcdClient, value: Uint8Array): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await delay(100)) {
    try {
      return await client.put('key/0', value)
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name)
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return file
  }
  return undefined
}

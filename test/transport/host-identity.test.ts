import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { QuorateError } from '../../src/core/error.ts'
import { keyFileName, loadKeys, saveKeys } from '../../src/storage/file-keys.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { hostIdentity } from '../../src/transport/host-identity.ts'
import { createIdentity, type Identity, verifierOf } from '../../src/transport/identity.ts'

/** The keys of a host that has a name already, in a folder, and what the next start of this host makes of them. */
async function openFolder(t: TestContext) {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'quorate-'))
  t.after(() => fs.promises.rm(directory, { recursive: true, force: true }))
  const values = new Map<string, Uint8Array>()
  // The log is not what is damaged here.
  const storage = {
    supports: { opaqueKeys: false },
    loadKeys: () => loadKeys(directory),
    saveKeys: (keys: CryptoKeyPair) => saveKeys(directory, keys),
    write: async (batch: { readonly values: ReadonlyMap<string, Uint8Array> }) => {
      for (const [name, value] of batch.values) values.set(name, value)
    },
  } as unknown as Storage
  const start = () => hostIdentity(storage, { groups: new Map(), values })
  const { hostId } = await start()
  return { hostId, storage, keyFile: path.join(directory, keyFileName), restart: start }
}

async function isWhole({ publicKey, sign }: Identity, hostId: string): Promise<boolean> {
  const verifier = await verifierOf(publicKey)
  const text = Uint8Array.of(1, 2, 3)
  return verifier.hostId === hostId && (await verifier.verify(await sign(text), text))
}

test('a host whose keys are whole keeps its name', async t => {
  const { hostId, restart } = await openFolder(t)
  assert(await isWhole(await restart(), hostId))
})

test('a bit that flipped anywhere in the keys is STORAGE_CORRUPT, or changes nothing', async t => {
  const { hostId, keyFile, restart } = await openFolder(t)
  const whole = fs.readFileSync(keyFile)
  let refused = 0
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole)
    damaged[at] = (whole[at] ?? 0) ^ 1
    fs.writeFileSync(keyFile, damaged)
    try {
      assert(await isWhole(await restart(), hostId), `byte ${at}`)
    } catch (error) {
      assert(error instanceof QuorateError, `byte ${at}: ${error}`)
      assert.equal(error.code, 'STORAGE_CORRUPT')
      refused += 1
    }
    assert.deepEqual(fs.readFileSync(keyFile), damaged, 'what is damaged is not written over')
  }
  assert(refused > whole.length / 2)
})

test('keys that are gone, empty, or of another host are STORAGE_CORRUPT, and no new name is made', async t => {
  const { storage, keyFile, restart } = await openFolder(t)
  const corrupt = { code: 'STORAGE_CORRUPT' }
  await storage.saveKeys((await createIdentity(true)).keys)
  await assert.rejects(restart(), corrupt)
  fs.writeFileSync(keyFile, '')
  await assert.rejects(restart(), corrupt)
  fs.rmSync(keyFile)
  await assert.rejects(restart(), corrupt)
  assert(!fs.existsSync(keyFile))
})

test('keys without a name in the log are left by a host that lost its log: it gets a new name', async t => {
  const { hostId, storage } = await openFolder(t)
  const fresh = await hostIdentity(storage, { groups: new Map(), values: new Map() })
  assert.notEqual(fresh.hostId, hostId)
})

import { randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QuorateError } from '../core/error.ts'

/** The secret kept in the file, made at the first call. Only its owner may read the file. */
export async function keptSecret(path: string): Promise<string> {
  const secret = (await readIfThere(path)) ?? (await makeSecret(path))
  if (/^[\w-]{16,}$/.test(secret)) return secret
  // A new secret would lock out every host that knows the old one, and found nothing in its place.
  throw new QuorateError('STORAGE_CORRUPT', `the secret in ${path} is damaged`)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** 256 random bits, written aside and renamed, so that a crash leaves a whole secret or none. */
async function makeSecret(path: string): Promise<string> {
  const secret = randomBytes(32).toString('base64url')
  const aside = `${path}.new`
  const file = await open(aside, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(`${secret}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(aside, path)
  const folder = await open(dirname(path))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
  return secret
}

import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { type Reply, refusal } from './http-reply.ts'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
}

/**
 * What the page may do: load what the seed serves, and talk to any seed. It may not be framed, so that no
 * other page can lead its buttons; the worker is the one that ticks while a tab is hidden.
 */
const policy = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * A file of the demo. Names are plain segments, so no path leads out of the folder, and no dot-file is
 * served.
 */
export async function demoFile(folder: string, path: string): Promise<Reply> {
  const name = path === '/' ? '/index.html' : path
  const type = types[extname(name)]
  if (type === undefined || !/^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/.test(name)) return missing()
  try {
    const body = await readFile(join(folder, name))
    return {
      status: 200,
      headers: { 'content-type': type, 'cache-control': 'no-cache', 'content-security-policy': policy },
      body,
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return missing()
    throw error
  }
}

function missing(): Reply {
  return refusal(404, 'NOT_FOUND', 'there is nothing at this path')
}

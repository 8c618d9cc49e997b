import type { Server } from 'node:http'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { BuildOptions, BuildResult, Plugin } from 'esbuild'

/** Serves one page on loopback, which runs a script made of our own sources. */
export interface PageServer {
  readonly origin: string
  close(): Promise<void>
}

interface BuildModule {
  buildBrowser(outdir: string, options: BuildOptions): Promise<BuildResult<{ write: false }>>
}

const root = new URL('../../', import.meta.url)

/** Bundles TypeScript source, whose imports are relative to the root of the repository, for a page at `/`. */
export async function servePage(source: string): Promise<PageServer> {
  // As the package is built: what runs in the page is what users get.
  const { buildBrowser } = (await import(new URL('build.mjs', root).href)) as BuildModule
  const { outputFiles } = await buildBrowser('page', {
    entryPoints: [],
    stdin: { contents: source, resolveDir: fileURLToPath(root), loader: 'ts' },
    splitting: false,
    sourcemap: false,
    legalComments: 'none',
    write: false,
    plugins: [refuseNode],
    // The test speaks to the page by names of the page's own.
    reserveProps: new RegExp(`^(${source.match(/\w+/g)?.join('|')})$`),
    logLevel: 'silent',
  })
  const script = outputFiles[0]?.text ?? ''
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { origin: originOf(server), close: () => close(server) }
}

/** What is meant for a page imports nothing of Node; said here by name, not by a page that stays empty. */
const refuseNode: Plugin = {
  name: 'refuse-node',
  setup({ onResolve }) {
    onResolve({ filter: /^node:/ }, ({ path, importer }) => ({
      errors: [{ text: `${importer} imports ${path}, and is meant for a page` }],
    }))
  },
}

/** Loopback is a secure context: without one there is no WebCrypto and no Web Locks. */
function originOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the page server has no port')
  return `http://127.0.0.1:${address.port}`
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}

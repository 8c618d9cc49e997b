import type { StoredHost } from '../storage/storage.ts'
import { Host } from './host.ts'
import { type EngineOptions, engineDefaults, type HostParts } from './parts.ts'

/** Starts a host from its parts, with storage that was loaded. What the platforms' `openHost` ends in. */
export function startHost(
  parts: HostParts,
  stored: StoredHost,
  options: Partial<EngineOptions> & Pick<EngineOptions, 'cluster'>,
): Host {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return Host.start(parts, { ...engineDefaults, ...given, cluster: options.cluster }, stored)
}

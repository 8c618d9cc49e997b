import { type CreatedHostMesh, createHostMesh, type HostMeshOptions } from './create-mesh.ts'
import type { Timers } from './timers.ts'
import { loadBrowserRtc } from './webrtc-browser.ts'
import { openBrowserSocket } from './websocket-browser.ts'

/** The mesh of a host in a page. A page loads this module, and all of WebRTC with it, when it opens a host. */
export function createBrowserMesh(
  timers: Timers,
  options: Omit<HostMeshOptions, 'environment'>,
): Promise<CreatedHostMesh> {
  const environment = {
    openSocket: openBrowserSocket,
    loadRtc: loadBrowserRtc,
    timers,
    random: Math.random,
    onLeave: (callback: () => void) => addEventListener('pagehide', callback),
  }
  return createHostMesh({ ...options, environment })
}

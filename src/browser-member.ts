// What a page loads only when it becomes a member: replicas, and the storage that they live in.

export { startReplicas } from './engine/host/replicas.ts'
export { browserDeflate as deflate } from './storage/deflate-browser.ts'
export { openIndexedDbStorage } from './storage/indexeddb.ts'

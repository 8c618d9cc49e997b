import type { HardState } from '../../src/core/raft/types.ts'
import { unseal } from '../../src/storage/indexeddb-rows.ts'
import { readOutline } from '../../src/storage/operation-codec.ts'
import type { Tab } from './tab.ts'

/** Term and vote of a tab's replica, as its disk has them. */
export async function persistedHardState({ page }: Tab): Promise<HardState> {
  const bytes = await page.evaluate(async () => {
    const settled = <Value>(request: IDBRequest<Value>) =>
      new Promise<Value>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const database = await settled(indexedDB.open('quorate-demo'))
    const row = await settled(database.transaction('rows').objectStore('rows').get(['group', 'main']))
    database.close()
    return [...new Uint8Array(row)]
  })
  return unseal(Uint8Array.from(bytes), readOutline).hardState
}

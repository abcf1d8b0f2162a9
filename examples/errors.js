// What can go wrong, and what to do: the class for one error, the kind for all of them.
import { ConflictError, KeyNotFoundError, openStorage, StorageError } from 'plainkeep'

const storage = await openStorage('./data', { limits: { bytesPerScope: 1000 } })
const plugin = storage.workspace().plugin('careful')

await plugin.getPluginStorage('missing').catch((error) => {
  if (error instanceof KeyNotFoundError) console.log('no value for', error.key)
})

const version = await plugin.storage.set('draft', 'mine')
await plugin.storage.set('draft', 'theirs')
await plugin.storage.set('draft', 'mine again', { ifVersion: version }).catch((error) => {
  if (error instanceof ConflictError) console.log('somebody was faster')
})

try {
  await plugin.setPluginStorage('big', 'x'.repeat(5000))
} catch (error) {
  if (!(error instanceof StorageError)) throw error
  console.log(error.kind, error.code, error.outcome)
}
await storage.close()

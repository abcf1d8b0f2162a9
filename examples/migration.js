// From version 1 of a plugin's data to version 2. Each step is one commit, together with the number of its version.
import { migrate, openStorage } from 'plainkeep'

const storage = await openStorage('./data')
const scope = storage.workspace().plugin('notes').storage
await scope.set('note_1', 'buy milk') // as version 1 wrote it

const steps = {
  2: async (own) => {
    for await (const { key, value } of own.entries({ prefix: 'note_', codec: 'text' })) {
      await own.set(key, { text: value, isDone: false })
    }
  },
}
console.log(await migrate(scope, { versionKey: 'storage_version', steps }))
console.log(await scope.get('note_1', 'json'))
await storage.close()

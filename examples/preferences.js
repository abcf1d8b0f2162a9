// Preferences of a plugin, each under a key of its own, which people can read and edit as files.
import { openStorage } from 'plainkeep'

const storage = await openStorage('./data')
const plugin = storage.workspace().plugin('greeter')

await plugin.setPluginStorage('greeting', 'Hello')
await plugin.setPluginStorage('color', 'blue')
for (const key of await plugin.getPluginStorageKeys()) {
  console.log(key, '=', await plugin.getPluginStorage(key, 'text'))
}
await plugin.deletePluginStorage('color')
console.log(await plugin.storage.find('color', 'text'))
await storage.close()

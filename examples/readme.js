import { openStorage } from 'plainkeep'

const storage = await openStorage('./data')
const weather = storage.workspace('default').plugin('acme/weather')

await weather.setPluginStorage('lastCity', 'Bern')
await weather.setStorage('user_count', 42)
console.log(await weather.getPluginStorage('lastCity', 'text'))
console.log(await weather.getStorage('user_count'))
console.log(await weather.getPluginStorageKeys())

await storage.close()

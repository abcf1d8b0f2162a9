// Data of users, in one transaction: what one gives another gets, or nothing happens.
import { openStorage } from 'plainkeep'

const storage = await openStorage('./data')
const plugin = storage.workspace().plugin('coins')
await plugin.storage.set('coins_ada', 10, { codec: 'json' })

async function give(from, to, amount) {
  await plugin.transaction(async ({ storage, workspace }) => {
    const left = await storage.update(`coins_${from}`, (coins) => (coins ?? 0) - amount, { codec: 'json' })
    if (left < 0) throw new Error(`${from} has too few coins`)
    await storage.update(`coins_${to}`, (coins) => (coins ?? 0) + amount, { codec: 'json' })
    await workspace.set('last_gift', `${from} to ${to}: ${amount}`)
  })
}

await give('ada', 'bob', 4)
await give('ada', 'bob', 100).catch((error) => console.log(error.message))
for await (const { key, value } of plugin.storage.entries({ prefix: 'coins_', codec: 'json' }))
  console.log(key, value)
console.log(await plugin.getWorkspaceStorage('last_gift', 'text'))
await storage.close()

// JSON, objects that JSON does not know, and a counter that many may raise at once.
import { objectCodec, openStorage } from 'plainkeep'

class UserProfile {
  name = 'Ada'
  visits = new Map([['first', new Date(0)]])
  greet() {
    return `${this.name} came first in ${this.visits.get('first').getUTCFullYear()}`
  }
}

const storage = await openStorage('./data')
const plugin = storage.workspace().plugin('users')
await plugin.setStorage('limits', { perDay: 3 })
console.log(await plugin.getStorage('limits'))

const profiles = plugin.storage.as(objectCodec({ classes: { UserProfile } }))
await profiles.set('profile_ada', new UserProfile())
console.log((await profiles.get('profile_ada')).greet())

await Promise.all([1, 2, 3].map(() => plugin.storage.update('count', (n) => (n ?? 0) + 1, { codec: 'json' })))
console.log(await plugin.getStorage('count'))
await storage.close()

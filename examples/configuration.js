// A configuration with defaults, checked by a schema: any Standard Schema will do, such as Zod, Valibot or ArkType.
import { openStorage } from 'plainkeep'
import { z } from 'zod'

const schema = z.object({ port: z.number().int(), tls: z.object({ on: z.boolean(), file: z.string() }) })
const defaults = { port: 8080, tls: { on: false, file: 'server.pem' } }

const storage = await openStorage('./data')
const settings = storage.workspace().plugin('server').storage.document('settings', { schema, defaults })

console.log(await settings.update({ tls: { on: true } }))
await settings.update({ port: 1.5 }).catch((error) => console.log(error.code, error.issues[0].path))
await settings.delete()
console.log(await settings.get())
await storage.close()

/**
 * Migrations: two processes bring the same data from version to version. Each step replaces every item, deletes one and
 * adds one, and is one commit together with the version's number.
 *
 *   W migrations
 *   B <process>.<version>   A <process>.<version>
 */

import { migrate } from '../../dist/index.js'
import { startChild } from './children.js'
import { say } from './log.js'
import { isOnce, nameProcess, openSurely, report, settle } from './session.js'

const ITEMS = 8

const findScope = (storage) => storage.workspace().plugin('notes').storage

/** Of a version, one item is missing, and one is large. */
const isMissing = (version, index) => version % ITEMS === index
const makeItem = (version, index) => ({
  version,
  text: `${index} `.repeat((version + index) % ITEMS === 3 ? 40_000 : 40),
})

const step = (version) => async (own) => {
  for (let index = 0; index < ITEMS; index += 1) {
    if (isMissing(version, index)) await own.delete(`item-${index}`)
    else await own.set(`item-${index}`, makeItem(version, index), { codec: 'json' })
  }
}

/** The mode `migrations`. */
export async function migrations() {
  say('W migrations')
  if (isOnce) return migrateOn(nameProcess('m'))
  const children = [startChild('migrator', nameProcess('m')), startChild('migrator', nameProcess('m'))]
  await Promise.all(children.map(({ ended }) => ended))
}

/** One process that migrates until it is killed, two versions at a time. The other one may be ahead: that is refused. */
export async function migrateOn(process) {
  let storage = await openSurely()
  for (let left = isOnce ? 1 : Number.POSITIVE_INFINITY; left > 0; left -= 1) {
    const present = await findScope(storage).find('version', 'json').catch(report)
    const newest = Number(present ?? 1) + 2
    const steps = Object.fromEntries(
      Array.from({ length: newest - 1 }, (_, index) => [index + 2, step(index + 2)]),
    )
    const id = `${process}.${newest}`
    say(`B ${id}`)
    const migrating = migrate(findScope(storage), { versionKey: 'version', steps })
    const isAhead = await migrating.then(
      () => false,
      (error) => error.code === 'MIGRATION_FAILED',
    )
    if ((await settle([id], migrating)) || isAhead) continue
    await storage.close().catch(() => undefined)
    storage = await openSurely()
  }
  await storage.close()
}

/** What is wrong with a store, by the lines of its log. */
export async function judgeMigrations(lines, storage) {
  const scope = findScope(storage)
  const version = Number((await scope.find('version', 'json')) ?? 1)
  const versionsOf = (type) =>
    lines
      .filter((line) => line.startsWith(`${type} `))
      .map((line) => Number(line.split(' ')[1].split('.')[1]))
  const [begun, done] = [Math.max(1, ...versionsOf('B')), Math.max(1, ...versionsOf('A'))]
  const violations = []
  if (version < done) violations.push(`LOST version ${done}, found ${version}`)
  if (version > begun) violations.push(`FOREIGN version ${version}, begun ${begun}`)
  for (let index = 0; index < ITEMS; index += 1) {
    const found = await scope.find(`item-${index}`, 'json')
    const wanted = version === 1 || isMissing(version, index) ? undefined : makeItem(version, index)
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      violations.push(`SPLIT item-${index} is of version ${found?.version}, and the version is ${version}`)
  }
  return violations
}

/**
 * Swaps: processes compare and set the same few keys. Each value names the operation that wrote it, and each operation the
 * value that it replaces: so the values of a key are a chain, in which nothing has two successors.
 *
 *   W swaps
 *   B <process>.<n> <scope> <key> set|del <size> <id of the value that it has seen, or none>
 */

import { keepRunning } from './children.js'
import { makeValue, readId, say } from './log.js'
import { isOnce, nameProcess, nap, openSurely, random, report, settle } from './session.js'

const KEYS = ['a', 'b']
const FEW = 5

const findScopes = (storage) => {
  const context = storage.workspace().plugin('acme/weather')
  return { plugin: context.storage, shared: context.workspace }
}

/** The mode `swaps`. */
export async function swaps(count) {
  say('W swaps')
  if (isOnce) await swapOn(nameProcess('s'))
  else await keepRunning('swapper', count)
}

/** One process that swaps until it is killed. */
export async function swapOn(process) {
  let storage = await openSurely()
  for (let number = 1; number <= (isOnce ? FEW : Number.POSITIVE_INFINITY); number += 1) {
    const place = { scope: random(2) === 0 ? 'plugin' : 'shared', key: KEYS[random(KEYS.length)] }
    if (await swap(storage, { ...place, id: `${process}.${number}` })) continue
    await storage.close().catch(() => undefined)
    storage = await openSurely()
  }
  await storage.close()
}

/** False if something else failed than the condition. */
async function swap(storage, { id, scope, key }) {
  const own = findScopes(storage)[scope]
  const seen = await own.entry(key).catch(report)
  const isDelete = seen !== undefined && random(4) === 0
  const size = random(8) === 0 ? 65_600 + random(9000) : 64 + random(2000)
  say(
    `B ${id} ${scope} ${key} ${isDelete ? 'del' : 'set'} ${size} ${seen ? readId(Buffer.from(seen.value)) : 'none'}`,
  )
  const condition = seen === undefined ? { ifAbsent: true } : { ifVersion: seen.version }
  let isConflict = false
  const call = isDelete
    ? own.delete(key, condition)
    : own.set(key, makeValue({ id, scope, key, size }), condition)
  call.catch((error) => {
    isConflict = error.code === 'CONFLICT'
  })
  const isDone = await settle([id], call)
  if (isConflict) await nap(random(10))
  return isDone || isConflict
}

/** What is wrong with a store, by the lines of its log. */
export async function judgeSwaps(lines, storage) {
  const scopes = findScopes(storage)
  const operations = parse(lines)
  const violations = []
  for (const [name, scope] of Object.entries(scopes)) {
    for (const key of KEYS) {
      const own = operations.filter((operation) => operation.scope === name && operation.key === key)
      const found = await scope.find(key)
      violations.push(
        ...judgeKey(own, found && Buffer.from(found)).map((words) => words.replace(' ', ` ${name}/${key} `)),
      )
    }
  }
  return violations
}

function judgeKey(operations, found) {
  const byId = new Map(operations.map((operation) => [operation.id, operation]))
  const done = operations.filter(({ state }) => state === 'done')
  const possible = operations.filter(({ state }) => state !== 'none')
  const violations = []
  const id = found === undefined ? undefined : readId(found)
  const last = byId.get(id)
  if (found !== undefined && (last === undefined || !makeValue(last).equals(found)))
    return [`TORN claims to be ${id}`]
  if (last?.state === 'none') violations.push(`UNDEAD ${id} was rejected without effect`)
  for (const { id: value, kind } of operations) {
    const successors = done.filter(({ seen }) => seen === value)
    if (kind === 'set' && successors.length > 1)
      violations.push(`TWICE ${value} was replaced by ${successors.map((one) => one.id).join(' and ')}`)
  }
  for (const operation of done.filter(({ kind }) => kind === 'set')) {
    const isReplaced = possible.some(({ seen }) => seen === operation.id)
    if (operation.id !== id && !isReplaced) violations.push(`LOST ${operation.id}, found ${id}`)
    if (operation.id === id) {
      const successor = done.find(({ seen }) => seen === id)
      if (successor !== undefined) violations.push(`STALE ${id} was replaced by ${successor.id}`)
    }
  }
  const wasSet = done.some(({ kind }) => kind === 'set')
  if (found === undefined && wasSet && !possible.some(({ kind }) => kind === 'del'))
    violations.push('LOST nothing is there, and nothing was deleted')
  return violations
}

function parse(lines) {
  const operations = new Map()
  for (const line of lines) {
    const [type, id, ...rest] = line.split(' ')
    if (type === 'B') {
      const [scope, key, kind, size, seen] = rest
      operations.set(id, { id, scope, key, kind, size: Number(size), seen, state: 'begun' })
    } else if (type === 'A') operations.get(id).state = 'done'
    else if (type === 'F') operations.get(id).state = rest[1] === 'committed' ? 'done' : rest[1]
  }
  return [...operations.values()]
}

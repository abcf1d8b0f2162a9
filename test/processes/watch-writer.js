/**
 * A process that makes commits: node watch-writer.js FOLDER NAME COUNT KEYS MODE
 *
 * MODE `mixed` is sets and deletes of keys that all writers share, one by one, several at once and in transactions; `plain`
 * writes files straight into the scope's folder, without plainkeep. Says a JSON line when it is done.
 */

import fs from 'node:fs'
import { join } from 'node:path'
import { openStorage } from '../../dist/index.js'

const [folder = '', name = '', count, keys, mode] = process.argv.slice(2)
const storage = await openStorage(folder, { lockTimeout: 60_000 })
const scope = storage.workspace().plugin(name).workspace
let commits = 0

/** @param {number} number */
const keyOf = (number) => `k${(number * 7919 + name.length * 31) % Number(keys)}`

async function commitSome() {
  const kind = commits % 10
  const left = Number(count) - commits
  if (kind === 3 && left >= 5) {
    await Promise.all(
      [0, 1, 2, 3, 4].map((each) => scope.set(keyOf(commits + each), `${name} ${commits + each}`)),
    )
    commits += 5
  } else if (kind === 8) {
    await scope.transaction(async (tx) => {
      await tx.set(keyOf(commits), `${name} ${commits}`)
      await tx.set(keyOf(commits + 1), `${name} ${commits}`)
    })
    commits += 1
  } else if (kind === 9 && (await scope.delete(keyOf(commits)))) {
    commits += 1
  } else {
    await scope.set(keyOf(commits), `${name} ${commits} ${'x'.repeat((commits * 37) % 300)}`)
    commits += 1
  }
}

if (mode === 'plain') {
  fs.mkdirSync(scope.path, { recursive: true })
  for (let number = 0; number < Number(count); number += 1)
    fs.writeFileSync(join(scope.path, `k${number % Number(keys)}`), `${number}`)
} else {
  while (commits < Number(count)) await commitSome()
}
await storage.close()
fs.writeSync(1, `${JSON.stringify({ done: commits })}\n`)

/**
 * A process that exits while it waits to put the second file of a commit in place: node half-publisher.js FOLDER
 */

import fs from 'node:fs'
import { openTestEngine } from './engine.js'

const folder = process.argv[2]

/**
 * As where another program has the key's file open on Windows: it cannot be replaced for now.
 * @type {typeof fs.renameSync}
 */
const renameSync = (from, to) => {
  if (String(to).endsWith('/second')) throw Object.assign(new Error('EACCES: injected'), { code: 'EACCES' })
  fs.renameSync(from, to)
}

const engine = await openTestEngine(folder, { ...fs, renameSync })
const changes = ['first', 'second'].map((key) => ({
  scope: { workspace: 'default' },
  key,
  value: Buffer.from('half'),
}))
void engine.commit({ changes })
while (!fs.existsSync(`${folder}/default/shared/first`))
  await new Promise((resolve) => setTimeout(resolve, 2))
setTimeout(() => process.exit(0), 50)

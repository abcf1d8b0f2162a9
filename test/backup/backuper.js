/**
 * A process that backs a store up, or restores one: node backuper.js MODE STORE ARCHIVE
 *
 * MODE `backup` says `{ began }`, then backs up again and again until it is killed, and says `{ midway }` when 100 values
 * are in an archive; `restore` restores the archive once,
 * and says `{ keys<N> }` when so many keys are restored.
 */

import fs from 'node:fs'
import { openStorage, restore } from '../../dist/index.js'

const [mode, store, archive] = process.argv.slice(2)
const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`)

if (mode === 'restore') {
  let last = -1
  const onProgress = ({ phase, keys }) => {
    if (phase === 'restore' && keys !== last) say({ [`keys${keys}`]: true })
    if (phase === 'restore') last = keys
  }
  await restore(archive, { into: store, onProgress })
} else {
  const storage = await openStorage(store, { lockTimeout: 60_000 })
  say({ began: true })
  const onProgress = ({ keys }) => keys === 100 && say({ midway: true })
  for (;;) await storage.backup(archive, { onProgress })
}

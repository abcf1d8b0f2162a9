/** Everything below a folder, to be compared with what is there later. */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Every path with its kind, mode, inode, time and bytes, sorted. Names may be no UTF-8. */
export function listTree(folder: string | Buffer): string[] {
  const names = readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare)
  return names.flatMap((name) => {
    const path = Buffer.concat([Buffer.from(folder), Buffer.from('/'), name])
    const stat = lstatSync(path, { bigint: true })
    const what = stat.isFile()
      ? readFileSync(path).toString('base64')
      : stat.isSymbolicLink()
        ? readlinkSync(path)
        : ''
    const line = `${path.toString('latin1')} ${stat.mode.toString(8)} ${stat.ino} ${stat.mtimeNs} ${what}`
    return stat.isDirectory() ? [line, ...listTree(path)] : [line]
  })
}

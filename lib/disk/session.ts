/**
 * The session of a filesystem: from its mount to its end, by a power cut, a reboot or an unmount. Within one session
 * what was written is read back, synced or not; in a later one only what was synced is certain.
 */

import { createHash } from 'node:crypto'
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { attempt, findMount, type Mount } from './mount.js'

/**
 * A name for the present session of the filesystem that holds a path, 32 hexadecimal digits; empty if the machine's
 * boot is not known. On Linux, ext4, xfs, btrfs and f2fs make a folder in /sys/fs for each mount, whose inode number
 * is never used again; other filesystems have the session of the machine and their device number. A filesystem that names
 * its session itself has that.
 */
export function describeSession(path: string, boot: string, own?: string): string {
  if (own !== undefined) return hash(own)
  if (boot === '') return ''
  const mount = findMount(path)
  const incarnation = mount && (findIncarnation(mount) ?? mount.device)
  return hash(`${boot} ${mount?.type} ${incarnation}`)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** The inode number of what the filesystem shows of this mount in /sys/fs. */
function findIncarnation({ device, type, source }: Mount): string | undefined {
  if (type === 'btrfs') {
    const names = attempt(() => readdirSync('/sys/fs/btrfs')) ?? []
    const name = names.find(
      (id) => readInode(`/sys/fs/btrfs/${id}/devices/${basename(source)}`) !== undefined,
    )
    return name === undefined ? undefined : readInode(`/sys/fs/btrfs/${name}`)
  }
  const name = attempt(() => basename(realpathSync(`/sys/dev/block/${device}`)))
  return name === undefined ? undefined : readInode(`/sys/fs/${type}/${name}`)
}

function readInode(path: string): string | undefined {
  return attempt(() => String(statSync(path, { bigint: true }).ino))
}

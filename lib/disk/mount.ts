/** Mounts, as Linux lists them. */

import { readFileSync } from 'node:fs'

/** What is mounted where a path lies. */
export interface Mount {
  /** Major and minor number, `8:1`. */
  readonly device: string
  readonly type: string
  /** The block device, `/dev/sda1`. */
  readonly source: string
}

/**
 * The mount that a path lies on: of those whose mount point it is under, the longest, and of equal ones the last. Undefined
 * where the system does not list them.
 */
export function findMount(path: string): Mount | undefined {
  let found: Mount | undefined
  let length = 0
  for (const line of attempt(() => readFileSync('/proc/self/mountinfo', 'utf8'))?.split('\n') ?? []) {
    const [own, other] = line.split(' - ').map((part) => part.split(' '))
    const point = own?.[4]?.replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    if (point === undefined || point.length < length || !isUnder(path, point)) continue
    length = point.length
    found = { device: own?.[2] ?? '', type: other?.[0] ?? '', source: other?.[1] ?? '' }
  }
  return found
}

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}

/** Whether a path lies on a filesystem of another machine, or of the host of this one: what it says of a file may be old. */
export function isRemote(path: string): boolean {
  return REMOTE.test(findMount(path)?.type ?? '')
}

const REMOTE = /^(?:nfs|cifs|smb|9p|fuse\.|virtiofs|vboxsf|afs|ceph|glusterfs|prl_fs|vmhgfs)/

/** What cannot be looked up is not known; nothing else depends on it. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/**
 * Watching names: hints of what changed, and what is known of the systems that give them.
 *
 * Nothing relies on a hint; it says where to look. What the systems do, and what is done about it:
 *
 * - Linux. One inotify watch for a folder or a file. The kernel's queue, of `max_queued_events`, is shared by all watches
 *   of a thread, and libuv drops the event that tells of its overflow. So half as many events in one turn of the event
 *   loop count as an overflow, and every watch is told that anything may have changed.
 * - Linux. A watch on a folder that was removed or moved stays silent for ever. The last thing it tells is the folder's
 *   own name; the one who watches compares what is there with what was there.
 * - Linux. `ENOSPC` (watches) and `EMFILE` (instances) come when a watch is opened: there are no hints then.
 * - Linux. On network folders, and on those that a virtual machine or a container shares with its host, a watch opens and
 *   tells of what this machine does; of what others do it tells nothing. The filesystem's type says so (statfs(2)).
 * - macOS. All watches of a thread share one stream of FSEvents, which is made anew whenever a watch is opened or closed;
 *   what happens meanwhile is told to nobody. So all watches are told a little later that anything may have changed.
 * - Windows. A watched folder that is removed gives `EPERM`: a hint of the folder itself.
 */

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { REOPENED_STREAM_MS } from '../base/limits.js'
import { isErrorCode } from './disk.js'
import type { FileSystem } from './file-system.js'

type OnHint = (name: string | undefined) => void

/** Types of filesystems that others may change, from linux/magic.h and the sources of the last three. */
const SHARED_TYPES = new Set([
  0x6969, // nfs
  0x517b, // smb
  0xff534d42, // cifs
  0xfe534d42, // smb2
  0x01021997, // 9p
  0x65735546, // fuse, such as sshfs and virtiofs
  0x00c36400, // ceph
  0x5346414f, // afs
  0x73757245, // coda
  0x0bd00bd0, // lustre
  0x786f4256, // vboxsf
  0xbacbacbc, // vmhgfs
  0x7c7c6673, // prl_fs
])

/** All watches of this thread: an overflow, or a new stream, concerns every one of them. */
const open = new Set<OnHint>()

let eventsOfTurn = 0
let queueLimit: number | undefined
let streamTimer: NodeJS.Timeout | undefined

/** Watches a folder or a file; see `Disk.watchFolder`. */
export function watchNames(
  fs: Pick<FileSystem, 'watch'>,
  path: string,
  onHint: OnHint,
  onLost: (error: unknown) => void = () => undefined,
  platform: NodeJS.Platform = process.platform,
): { close(): void } {
  let watcher: { close(): void } | undefined
  const close = (): void => {
    open.delete(onHint)
    if (watcher !== undefined && platform === 'darwin') expectNewStream()
    watcher?.close()
    watcher = undefined
  }
  const onError = (error: unknown): void => {
    close()
    if (platform === 'win32' && isErrorCode(error, 'EPERM')) onHint(basename(path))
    else onLost(error)
  }
  try {
    const opened = fs.watch(path, { persistent: false }, (_, name) => {
      if (watcher === undefined) return // closed in the same turn
      if (!countEvent()) onHint(name ?? undefined)
    })
    opened.on('error', onError)
    watcher = opened
    open.add(onHint)
    if (platform === 'darwin') expectNewStream()
  } catch (error) {
    onError(error)
  }
  return { close }
}

/** Whether others may change a folder behind the system's back; see above. */
export function isShared(
  fs: Pick<FileSystem, 'statfsSync'>,
  path: string,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (platform !== 'linux' || fs.statfsSync === undefined) return false
  try {
    return SHARED_TYPES.has(Number(fs.statfsSync(path).type) >>> 0)
  } catch {
    return false // it is gone: whoever watches finds out
  }
}

/** True if so many events came in this turn of the event loop that others may be lost; then everybody is told. */
function countEvent(): boolean {
  if (eventsOfTurn === 0) setImmediate(() => (eventsOfTurn = 0)).unref()
  eventsOfTurn += 1
  queueLimit ??= readQueueLimit()
  if (eventsOfTurn !== Math.ceil(queueLimit / 2)) return eventsOfTurn > queueLimit / 2
  hintAll()
  return true
}

function hintAll(): void {
  for (const onHint of [...open]) onHint(undefined)
}

function expectNewStream(): void {
  if (streamTimer !== undefined) return
  streamTimer = setTimeout(() => {
    streamTimer = undefined
    hintAll()
  }, REOPENED_STREAM_MS).unref()
}

/** How many events the kernel keeps for a thread; only Linux says so. */
function readQueueLimit(): number {
  try {
    return (
      Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'latin1')) || Number.POSITIVE_INFINITY
    )
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

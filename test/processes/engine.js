/** An engine as `openStorage` makes it, for children that want to see revisions. */

import { openEngine } from '../../dist/commit/open-engine.js'
import { nodeFileSystem } from '../../dist/disk/file-system.js'
import { host } from '../../dist/disk/host.js'
import { Layout } from '../../dist/disk/layout.js'
import { createLock } from '../../dist/disk/lock.js'
import { NodeDisk } from '../../dist/disk/node-disk.js'
import { describeSession } from '../../dist/disk/session.js'

/** Opens the store in a folder, over a file system that may be wrapped. */
export function openTestEngine(root, fs = nodeFileSystem) {
  const layout = new Layout(root)
  return openEngine(fs, root, () => ({
    site: {
      disk: new NodeDisk(fs, 65_536),
      layout,
      host,
      session: describeSession(root, host.identity.boot),
      fileMode: 0o600,
      folderMode: 0o700,
    },
    lock: createLock(fs, layout.lock, `${layout.lock}-${host.randomName()}`),
    lockTimeoutMs: 20_000,
  }))
}

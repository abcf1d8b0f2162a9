/**
 * Watching which folders come and go in a few others, one level deep. There is little to do there, so chokidar does it,
 * with its care for platforms; folders with many files are none of its business, since it looks at every file.
 */

import { watch } from 'chokidar'

/** Has `onHint` called soon after a folder has come or gone in one that was added. Only a hint. */
export function watchFolders(onHint: () => void): {
  add(folders: readonly string[]): void
  close(): void
} {
  const watcher = watch([], {
    persistent: false,
    ignoreInitial: true,
    depth: 0,
    followSymlinks: false,
    ignored: (path, stats) => path.endsWith('.plainkeep') || stats?.isDirectory() === false,
  })
  watcher.on('addDir', onHint).on('unlinkDir', onHint)
  watcher.on('error', onHint) // whoever is told so looks, and looks every second in any case
  const added = new Set<string>()
  watcher.on('unlinkDir', (path) => added.delete(path)) // a folder of that name may come again
  return {
    add: (folders) => {
      const fresh = folders.filter((folder) => !added.has(folder))
      for (const folder of fresh) added.add(folder)
      if (fresh.length > 0) watcher.add(fresh)
    },
    close: () => void watcher.close().catch(() => undefined), // what it held is let go in any case
  }
}

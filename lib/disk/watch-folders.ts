/**
 * Watching which folders come and go in a few others, one level deep. There is little to do there, so chokidar does it,
 * with its care for platforms; folders with many files are none of its business, since it looks at every file.
 */

import type { FSWatcher } from 'chokidar'

/** Has `onHint` called soon after a folder has come or gone in one that was added. Only a hint. */
export function watchFolders(onHint: () => void): {
  add(folders: readonly string[]): void
  close(): void
} {
  const added = new Set<string>()
  let isClosed = false
  const opening = openWatcher(onHint, added)
  opening.catch(onHint) // whoever is told so looks, and looks every second in any case
  const withWatcher = (use: (watcher: FSWatcher) => unknown): void => void opening.then(use).catch(onHint)
  return {
    add: (folders) => {
      const fresh = folders.filter((folder) => !added.has(folder))
      for (const folder of fresh) added.add(folder)
      if (fresh.length > 0) withWatcher((watcher) => isClosed || watcher.add(fresh))
    },
    close: () => {
      isClosed = true
      withWatcher((watcher) => watcher.close()) // what it held is let go in any case
    },
  }
}

/** Loaded only when somebody watches folders, since it takes longer to load than all of the library. */
async function openWatcher(onHint: () => void, added: Set<string>): Promise<FSWatcher> {
  const { watch } = await import('chokidar')
  const watcher = watch([], {
    persistent: false,
    ignoreInitial: true,
    depth: 0,
    followSymlinks: false,
    ignored: (path, stats) => path.endsWith('.plainkeep') || stats?.isDirectory() === false,
  })
  const onFolder = (path: string): void => {
    added.delete(path) // it is another one than the one that was added, or there was none
    onHint()
  }
  watcher.on('addDir', onFolder).on('unlinkDir', onFolder).on('error', onHint)
  watcher.on('ready', onHint) // in case one came before it was watched
  return watcher
}

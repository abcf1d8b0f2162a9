/** Permissions that are wider than the store would give. */

import type { ScopeId } from '../base/scope-id.js'
import type { FileStat } from '../disk/disk.js'
import { type Findings, quotePath } from './finding.js'
import type { Site } from './site.js'

/** What the group and all others may do. */
const SHARED_BITS = 0o077

/** A file or folder, and what is known of it. */
interface Place {
  /** Relative to the store. */
  readonly path: string
  readonly stat: FileStat
  readonly scope?: ScopeId | undefined
}

/** Tells it if others may do more with a file or folder than the store's own modes allow. */
export function findWideMode(
  { fileMode, folderMode }: Site,
  findings: Findings,
  { path, stat: { kind, mode }, scope }: Place,
): void {
  const wide = mode & SHARED_BITS & ~(kind === 'folder' ? folderMode : fileMode)
  if (wide === 0) return
  const [present, narrow] = [mode & 0o777, mode & 0o777 & ~wide].map((bits) =>
    bits.toString(8).padStart(3, '0'),
  )
  const message = `The ${kind} ${quotePath(path)} has the permissions ${present}, with which others may do more than with ${narrow}; use chmod if they should not.`
  findings.add({ kind: 'wide-permissions', path, scope, message })
}

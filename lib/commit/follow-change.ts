/** A change of a commit as followers are told of it. */

import type { FollowedChange } from './engine.js'
import type { FeedCommit } from './feed.js'
import type { FollowedScope } from './follow-scope.js'
import type { RecordedChange } from './record.js'
import { decodeTime, encodeVersion } from './version.js'

/** A commit's change, and whether what was known before is as late: then it was told as present from the beginning. */
export interface DescribedChange {
  readonly change: FollowedChange
  readonly wasKnown: boolean
}

/** Describes a change of a commit, and has the scope know it. */
export async function describeChange(
  scope: FollowedScope,
  commit: FeedCommit,
  change: RecordedChange,
): Promise<DescribedChange> {
  const { key } = change
  const isSet = change.kind === 'superseded' ? commit.isSetInTheEnd(change) : change.kind === 'set'
  const version = isSet ? await findVersion(scope, change) : undefined
  const wasKnown = isOld(change, scope.known.get(key))
  if (change.kind === 'set' && version !== undefined) scope.known.set(key, version)
  if (change.kind === 'delete') {
    scope.known.delete(key)
    if ((await scope.stat(key)) !== undefined) scope.touch(key)
  }
  const { revision, writer: by, isLocal } = commit
  const source = isLocal ? 'local' : 'process'
  const type = isSet ? 'set' : 'delete'
  return { change: { type, scope: scope.id, key, version, revision, by, source }, wasKnown }
}

/** The version that the commit set; where another one is in place by now, nobody can know its inode any more. */
async function findVersion(scope: FollowedScope, change: RecordedChange): Promise<string> {
  const stat = change.kind === 'set' ? await scope.stat(change.key) : undefined
  if (stat?.time === change.time) return encodeVersion(stat)
  if (change.kind === 'set') scope.touch(change.key)
  const size = change.kind === 'set' ? change.value.size : 0
  return change.version ?? encodeVersion({ time: change.time, inode: 0n, size })
}

function isOld(change: RecordedChange, known: string | undefined): boolean {
  if (known === undefined) return change.kind === 'delete'
  return decodeTime(known) >= change.time
}

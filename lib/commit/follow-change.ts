/** A change of a commit as followers are told of it. */

import type { FollowedChange } from './engine.js'
import type { FeedCommit } from './feed.js'
import type { FollowedScope } from './follow-scope.js'
import type { RecordedChange } from './record.js'
import { encodeVersion } from './version.js'

/** Describes a change of a commit, and has the scope know it. */
export async function describeChange(
  scope: FollowedScope,
  commit: FeedCommit,
  change: RecordedChange,
): Promise<FollowedChange> {
  const { key } = change
  const isSet = change.kind === 'superseded' ? commit.isSetInTheEnd(change) : change.kind === 'set'
  const version = isSet ? await findVersion(scope, change) : undefined
  if (change.kind !== 'superseded') scope.noteTold(key, version)
  if (change.kind === 'delete' && (await scope.stat(key)) !== undefined) scope.touch(key)
  const { revision, writer: by, isLocal } = commit
  const source = isLocal ? 'local' : 'process'
  const type = isSet ? 'set' : 'delete'
  return { type, scope: scope.id, key, version, revision, by, source }
}

/** The version that the commit set; where another one is in place by now, nobody can know its inode any more. */
async function findVersion(scope: FollowedScope, change: RecordedChange): Promise<string> {
  if (change.version !== undefined) return change.version
  const stat = change.kind === 'set' ? await scope.stat(change.key) : undefined
  if (stat?.time === change.time) return encodeVersion(stat)
  if (change.kind === 'set') scope.touch(change.key)
  const size = change.kind === 'set' ? change.value.size : 0
  return encodeVersion({ time: change.time, inode: 0n, size })
}

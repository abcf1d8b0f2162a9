/** A change of a commit as followers are told of it. */

import type { FollowedChange } from './engine.js'
import type { FeedCommit } from './feed.js'
import type { FollowedScope } from './follow-scope.js'
import type { RecordedChange } from './record.js'
import { decodeTime, encodeVersion } from './version.js'

/** A commit's change that was told; `wasTold`: what was present from the beginning had it already. */
export interface DescribedChange extends FollowedChange {
  readonly wasTold: boolean
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
  const wasTold = isOld(change, scope.known.get(key))
  if (change.kind === 'set' && version !== undefined) scope.known.set(key, version)
  if (change.kind === 'delete') {
    scope.known.delete(key)
    if ((await scope.stat(key)) !== undefined) scope.touch(key)
  }
  const { revision, writer: by, isLocal } = commit
  const source = isLocal ? 'local' : 'process'
  return { type: isSet ? 'set' : 'delete', scope: scope.id, key, version, revision, by, source, wasTold }
}

/** The version that the commit set; where another one is in place by now, nobody can know its inode any more. */
async function findVersion(scope: FollowedScope, change: RecordedChange): Promise<string> {
  const stat = change.kind === 'set' ? await scope.stat(change.key) : undefined
  if (stat?.time === change.time) return encodeVersion(stat)
  if (change.kind === 'set') scope.touch(change.key)
  const size = change.kind === 'set' ? change.value.size : 0
  return encodeVersion({ time: change.time, inode: 0n, size })
}

function isOld(change: RecordedChange, known: string | undefined): boolean {
  if (known === undefined) return change.kind === 'delete'
  return decodeTime(known) >= change.time
}

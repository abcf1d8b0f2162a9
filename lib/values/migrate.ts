/**
 * Migrating a scope from any version of its data to the newest, step by step. Each step is one commit together with its
 * version number, so that after a crash at any point one version or the next is there, whole.
 */

import { StorageError } from '../base/errors.js'
import { describeScope } from '../base/scope-id.js'
import type { Scope } from '../store/scope.js'
import type { TransactionScope } from '../store/transaction-scope.js'

/** Brings the data from the version before to its own. It may run more than once, and must write through `scope` alone. */
export type MigrationStep = (scope: TransactionScope) => void | Promise<void>

/** How far a migration is. */
export interface MigrationProgress {
  /** The version that is there now. */
  readonly version: number
  /** The version that it goes to. */
  readonly newest: number
}

/** What to migrate by. */
export interface MigrateOptions {
  /** The key that holds the version, as JSON. Where it is missing the version is 1. */
  readonly versionKey: string
  /** The steps by the version that they lead to, from 2 on without a gap. */
  readonly steps: Readonly<Record<number, MigrationStep>>
  /** Called before the first step and after each. */
  readonly onProgress?: ((progress: MigrationProgress) => void) | undefined
  /** Ends the migration between two steps; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** A step may have the store to itself for so long, in milliseconds; others wait meanwhile. */
const STEP_LIMIT_MS = 60_000

/**
 * Runs the steps that are missing, in order, each once even if several processes migrate at the same time. Gives the
 * version that is there when it resolves.
 *
 * Rejects with `MIGRATION_FAILED` if a step is missing or throws, or if the version in the scope is newer than all steps
 * or no version; the steps before are done then, and those from there on are not. Rejects with `INVALID_OPTION`, and as
 * `Scope.set` does.
 */
export async function migrate(scope: Scope, options: MigrateOptions): Promise<number> {
  const { versionKey, steps, onProgress, signal } = options
  const newest = findNewest(scope, steps)
  let version = checkVersion(scope, options, await scope.find(versionKey), newest)
  onProgress?.({ version, newest })
  while (version < newest) {
    signal?.throwIfAborted()
    const run = (own: TransactionScope): Promise<number> => runStep(scope, own, options, newest)
    version = await scope.transaction(run, { signal, timeout: STEP_LIMIT_MS })
    onProgress?.({ version, newest })
  }
  return version
}

/** Runs the next step, whichever that is by now, and gives the version that it leads to. */
async function runStep(
  scope: Scope,
  own: TransactionScope,
  options: MigrateOptions,
  newest: number,
): Promise<number> {
  const { versionKey, steps } = options
  const version = checkVersion(scope, options, await own.find(versionKey), newest)
  if (version === newest) return version
  const next = version + 1
  try {
    await steps[next]?.(own)
  } catch (cause) {
    if (options.signal?.aborted || isElsewhere(cause)) throw cause
    throw failure(
      scope,
      `the step to version ${next} failed (${String(cause)}); repair the data or the step`,
      cause,
    )
  }
  await own.set(versionKey, next, { codec: 'json' })
  return next
}

/** Whether what a step throws is about the store or the machine, and neither about the step nor about its data. */
function isElsewhere(cause: unknown): boolean {
  return cause instanceof StorageError && !['usage', 'missing', 'value'].includes(cause.kind)
}

/** The newest version; there must be a step to every version up to it. */
function findNewest(scope: Scope, steps: MigrateOptions['steps']): number {
  if (typeof steps !== 'object' || steps === null)
    throw new StorageError('INVALID_OPTION', 'The option steps must be an object of functions by version.')
  const versions = Object.keys(steps).map(Number)
  const newest = Math.max(1, ...versions)
  const odd = versions.find((version) => !isVersion(version) || version === 1)
  if (odd !== undefined)
    throw failure(scope, `there is a step to version ${odd}; the first step leads to version 2`)
  for (let version = 2; version <= newest; version += 1)
    if (typeof steps[version] !== 'function')
      throw failure(
        scope,
        `there is no step to version ${version}; keep the steps of all versions up to ${newest}`,
      )
  return newest
}

function checkVersion(
  scope: Scope,
  { versionKey }: MigrateOptions,
  bytes: Uint8Array | undefined,
  newest: number,
): number {
  if (bytes === undefined) return 1
  const text = Buffer.from(bytes).toString('utf8').trim()
  const version = /^\d+$/.test(text) ? Number(text) : Number.NaN
  const place = `the key ${JSON.stringify(versionKey)} holds ${JSON.stringify(text.slice(0, 40))}`
  if (!isVersion(version)) throw failure(scope, `${place}, which is no version; put the right number there`)
  if (version <= newest) return version
  throw failure(
    scope,
    `${place}, and the newest step leads to version ${newest}; use a newer program with this data`,
  )
}

function isVersion(version: number): boolean {
  return Number.isSafeInteger(version) && version > 0
}

function failure(scope: Scope, what: string, cause?: unknown): StorageError {
  const message = `Cannot migrate ${describeScope(scope.id)}: ${what}.`
  return new StorageError('MIGRATION_FAILED', message, {
    store: scope.store,
    scope: scope.id,
    outcome: 'none',
    cause,
  })
}

/**
 * Restore: the values of an archive that was verified become commits.
 *
 * Z1  The values of a scope are one commit: all of them are there, or none. An interrupted restore is run again, and
 *     passes over what is there already.
 * Z2  No value is replaced by another one unless that is asked for; all scopes are looked at before the first commit.
 * Z3  A value is read when it is staged, and compared with its CRC once more: so memory holds one at a time.
 */

import { crc32 } from 'node:zlib'
import { ConflictError, StorageError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type { Change, Expectation } from '../commit/engine.js'
import { Yielder } from '../commit/site.js'
import { host } from '../disk/host.js'
import { encodeFolderPaths } from '../disk/layout.js'
import type { StoreParts } from './parts.js'
import type { Archive, ArchivedValue, RestoreProgress } from './verify.js'

/** What to restore, and over what. */
export interface RestoreSettings {
  /** Replaces values that are other ones by now; keys that the archive does not hold stay in any case. Default: false. */
  readonly overwrite?: boolean | undefined
  /** Which scopes. Default: all that the archive holds. */
  readonly scopes?: readonly ScopeId[] | undefined
  /** Is told again and again how far it is. What it throws ends the restore. */
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined
  /** Rejects with the signal's reason; scopes that are restored by then stay so. */
  readonly signal?: AbortSignal | undefined
}

/** What a restore did. */
export interface RestoreReport {
  /** The store's root folder, absolute. */
  readonly store: string
  /** Keys that were set. */
  readonly keys: number
  /** Of their values together. */
  readonly bytes: number
  /** Keys that held the same value already. */
  readonly unchanged: number
}

/** Commits the values of an archive; see `restore`. */
export async function restoreArchive(
  parts: StoreParts,
  archive: Archive,
  settings: RestoreSettings,
): Promise<RestoreReport> {
  const restoration = new Restoration(parts, archive, settings)
  const groups = groupByScope(archive.values, settings.scopes)
  const plans: Plan[] = []
  for (const group of groups) plans.push(await restoration.plan(group))
  restoration.checkOthers(plans)
  for (const plan of plans) await restoration.commit(plan)
  return restoration.report
}

/** The values of each scope, in the order of the archive. */
function groupByScope(
  values: readonly ArchivedValue[],
  wanted: readonly ScopeId[] | undefined,
): ArchivedValue[][] {
  const nameOf = (scope: ScopeId): string => encodeFolderPaths(scope).at(-1) as string
  const names = wanted && new Set(wanted.map(nameOf))
  const groups = new Map<string, ArchivedValue[]>()
  for (const value of values) {
    const name = nameOf(value.scope)
    if (names?.has(name) === false) continue
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [value])
    else group.push(value)
  }
  return [...groups.values()]
}

/** What is to be done with the values of one scope. */
interface Plan {
  readonly scope: ScopeId
  /** Values that the store does not hold. */
  readonly missing: readonly ArchivedValue[]
  /** Values whose keys hold another one. */
  readonly others: readonly ArchivedValue[]
  /** What is there, and is not to be touched. */
  readonly unchanged: readonly Expectation[]
}

/** The largest value whose size a journal can record. */
const RECORDED_SIZE_BYTES = 0xffffffff

function tooLarge({ scope, key, size }: ArchivedValue): StorageError {
  const message = `The value of ${JSON.stringify(key)} in ${describeScope(scope)} has ${size} bytes, too many for a commit; unpack the archive with tar instead.`
  return new StorageError('VALUE_TOO_LARGE', message, { scope, key, outcome: 'none' })
}

/** One restore. */
class Restoration {
  readonly #parts: StoreParts
  readonly #archive: Archive
  readonly #settings: RestoreSettings
  readonly #yielder = new Yielder(host)
  #done = { keys: 0, bytes: 0, unchanged: 0 }
  #totalBytes = 0

  constructor(parts: StoreParts, archive: Archive, settings: RestoreSettings) {
    this.#parts = parts
    this.#archive = archive
    this.#settings = settings
  }

  get report(): RestoreReport {
    return { store: this.#parts.engine.root, ...this.#done }
  }

  /** Compares a scope with what the store holds. */
  async plan(values: readonly ArchivedValue[]): Promise<Plan> {
    const { scope } = values[0] as ArchivedValue
    const missing: ArchivedValue[] = []
    const others: ArchivedValue[] = []
    const unchanged: Expectation[] = []
    for (const value of values) {
      const { key } = value
      if (value.size > RECORDED_SIZE_BYTES) throw tooLarge(value)
      const stat = await this.#parts.engine.stat(scope, key)
      const version = stat?.size === value.size ? await this.#findSame(value) : undefined
      if (stat === undefined) missing.push(value)
      else if (version === undefined) others.push(value)
      else unchanged.push({ scope, key, version })
      await this.#pause()
    }
    for (const { size } of [...missing, ...others]) this.#totalBytes += size
    return { scope, missing, others, unchanged }
  }

  /** Rejects with `CONFLICT` if values would be replaced that must not be (Z2). */
  checkOthers(plans: readonly Plan[]): void {
    const others = plans.flatMap((plan) => plan.others)
    const [first] = others
    if (first === undefined || this.#settings.overwrite === true) return
    const store = this.#parts.engine.root
    const where = `${JSON.stringify(first.key)} in ${describeScope(first.scope)}`
    const more = others.length === 1 ? '' : ` and ${others.length - 1} more`
    const message = `The store ${store} holds another value than the backup for ${where}${more}; nothing was restored: restore into another folder, or overwrite.`
    throw new ConflictError(message, { store, scope: first.scope, key: first.key })
  }

  /** Restores a scope (Z1). */
  async commit({ scope, missing, others, unchanged }: Plan): Promise<void> {
    const { signal } = this.#settings
    signal?.throwIfAborted()
    this.#done = { ...this.#done, unchanged: this.#done.unchanged + unchanged.length }
    const values = [...missing, ...others]
    if (values.length === 0) return
    const absent = missing.map(({ key }): Expectation => ({ scope, key, version: undefined }))
    const expectations = this.#settings.overwrite === true ? unchanged : [...unchanged, ...absent]
    let bytes = 0
    let failure: { readonly error: unknown } | undefined
    const changes = values.map((value): Change => {
      const read = async (): Promise<Uint8Array> => {
        try {
          const found = await this.#read(value, bytes)
          bytes += value.size
          return found
        } catch (error) {
          failure = { error }
          throw error
        }
      }
      return { scope, key: value.key, value: { byteLength: value.size, read }, mode: value.mode }
    })
    try {
      await this.#parts.engine.commit({ changes, expectations, signal })
    } catch (error) {
      throw failure === undefined ? error : failure.error
    }
    const total = values.reduce((sum, { size }) => sum + size, 0)
    const { keys, bytes: before } = this.#done
    this.#done = { ...this.#done, keys: keys + values.length, bytes: before + total }
    this.#tell(this.#done.bytes)
  }

  /** The bytes of a value; `before` are those of this commit that were read before it, perhaps more than once. */
  async #read(value: ArchivedValue, before: number): Promise<Uint8Array> {
    this.#settings.signal?.throwIfAborted()
    this.#tell(Math.min(this.#done.bytes + before, this.#totalBytes))
    return this.#archive.read(value)
  }

  /** The version of the key's value if it is the same one. */
  async #findSame({ scope, key, crc, size }: ArchivedValue): Promise<string | undefined> {
    const entry = await this.#parts.engine.readEntry(scope, key)
    const isSame = entry?.size === size && crc32(entry.bytes) === crc
    return isSame ? entry.version : undefined
  }

  #tell(bytes: number): void {
    const { keys } = this.#done
    this.#settings.onProgress?.({ phase: 'restore', keys, bytes, totalBytes: this.#totalBytes })
  }

  async #pause(): Promise<void> {
    this.#settings.signal?.throwIfAborted()
    if (this.#yielder.isDue()) await this.#yielder.yield()
  }
}

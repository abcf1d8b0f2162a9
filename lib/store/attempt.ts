/**
 * An attempt: one run of a transaction's body, with what it has read and what it is to write.
 *
 * A1  What was read is expected to be the same when the commit is made; so the reads are those of one moment.
 * A2  Own writes are seen by later reads, and by nobody else before the commit.
 * A3  A key or a listing that is read again and is different ends the attempt: it could not be committed.
 */

import { ConflictError, StorageError } from '../base/errors.js'
import { describeScope, type ScopeId } from '../base/scope-id.js'
import type {
  Change,
  Engine,
  Expectation,
  ListingExpectation,
  Quota,
  VersionExpectation,
} from '../commit/engine.js'

/** What a body reads and writes; see transact.ts for what becomes of it. */
export class Attempt {
  readonly #engine: Engine
  readonly #versions = new Map<string, VersionExpectation>()
  readonly #listings = new Map<string, ListingExpectation>()
  readonly #writes = new Map<string, Change<Uint8Array>>()
  readonly #quotas = new Map<string, Quota>()
  readonly #pending: Promise<unknown>[] = []
  #failure: { readonly error: unknown } | undefined
  #isEnded = false
  #isDoomed = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Whether what was read cannot be committed any more. */
  get isDoomed(): boolean {
    return this.#isDoomed
  }

  /** What was read, and must be the same still. One key alone is always as it was at one moment. */
  get expectations(): readonly Expectation[] {
    return [...this.#versions.values(), ...this.#listings.values()]
  }

  /** What is to be written, in order. */
  get changes(): readonly Change[] {
    return [...this.#writes.values()]
  }

  /** The limits of the scopes that are written. */
  get quotas(): readonly Quota[] {
    return [...this.#quotas.values()]
  }

  /** The bytes of a key; undefined if it holds none. */
  async read(scope: ScopeId, key: string): Promise<Uint8Array | undefined> {
    this.checkOpen()
    const own = this.#writes.get(this.#engine.keyPath(scope, key))
    if (own !== undefined) return own.value?.slice()
    const found = await this.#engine.readEntry(scope, key)
    this.checkOpen()
    this.#expectVersion(scope, key, found?.version)
    return found?.bytes
  }

  /** Whether a key holds a value. */
  async has(scope: ScopeId, key: string): Promise<boolean> {
    this.checkOpen()
    const own = this.#writes.get(this.#engine.keyPath(scope, key))
    if (own !== undefined) return own.value !== undefined
    const found = await this.#engine.stat(scope, key)
    this.checkOpen()
    this.#expectVersion(scope, key, found?.version)
    return found !== undefined
  }

  /** The keys that begin with a prefix, in no order. */
  async list(scope: ScopeId, prefix: string, signal?: AbortSignal): Promise<string[]> {
    this.checkOpen()
    const folder = this.#engine.scopePath(scope)
    const listed = (await this.#engine.list(scope, signal)).filter((key) => key.startsWith(prefix))
    this.checkOpen()
    this.#expectListing(`${folder}\0${prefix}`, { scope, prefix, keys: listed })
    const keys = new Set(listed)
    for (const change of this.#writes.values()) {
      if (this.#engine.scopePath(change.scope) !== folder || !change.key.startsWith(prefix)) continue
      if (change.value === undefined) keys.delete(change.key)
      else keys.add(change.key)
    }
    return [...keys]
  }

  /** Runs a write. The transaction waits for it, awaited or not, and fails if it does. */
  track<T>(write: () => Promise<T>): Promise<T> {
    const done = write()
    this.#pending.push(
      done.catch((error: unknown) => {
        this.#failure ??= { error }
      }),
    )
    return done
  }

  /** Resolves when all writes are done; rejects if one failed. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Writes a change, in place of an earlier one of the same key. */
  write(change: Change<Uint8Array>, quota: Quota | undefined): void {
    this.checkOpen()
    const path = this.#engine.keyPath(change.scope, change.key)
    this.#writes.delete(path)
    this.#writes.set(path, change)
    if (quota !== undefined) this.#quotas.set(this.#engine.scopePath(change.scope), quota)
  }

  /** From now on everything is refused. */
  end(): void {
    this.#isEnded = true
  }

  /** Throws `TRANSACTION_ENDED` if the body has ended. */
  checkOpen(): void {
    if (!this.#isEnded) return
    const message = 'The transaction has ended; use it only until the promise of its body settles.'
    throw new StorageError('TRANSACTION_ENDED', message, { store: this.#engine.root, outcome: 'none' })
  }

  #expectVersion(scope: ScopeId, key: string, version: string | undefined): void {
    const path = this.#engine.keyPath(scope, key)
    const known = this.#versions.get(path)
    if (known === undefined) this.#versions.set(path, { scope, key, version })
    else if (known.version !== version) this.#doom(scope, `The key ${JSON.stringify(key)}`, { key, version })
  }

  #expectListing(name: string, listing: ListingExpectation): void {
    const known = this.#listings.get(name)
    if (known === undefined) this.#listings.set(name, listing)
    else if (!isSameSet(known.keys, listing.keys)) this.#doom(listing.scope, 'The list of keys')
  }

  #doom(scope: ScopeId, what: string, details: { key?: string; version?: string | undefined } = {}): never {
    this.#isDoomed = true
    const message = `${what} of ${describeScope(scope)} was changed while a transaction read it; the body runs again.`
    throw new ConflictError(message, { store: this.#engine.root, scope, ...details })
  }
}

function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false
  const known = new Set(left)
  return right.every((key) => known.has(key))
}

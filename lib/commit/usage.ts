/**
 * Usage: how much a scope holds, known while it is owned without counting its files for every write.
 *
 * U1  A count is trusted while the scope's folder has the time that it had after the last own publication: whoever
 *     makes, removes or replaces a file changes it. Since the kernel's clock ticks slowly, a count of an earlier claim
 *     is trusted only if it was looked at again later than that, or if no commit was made in between.
 * U2  A file that was edited in place leaves the folder's time alone. So a count is renewed now and then, at a small
 *     part of the time that counting takes, and always before a commit is refused.
 */

import { CLOCK_TICK_MS, USAGE_COST_SHARE, USAGE_TRUST_MS } from '../base/limits.js'
import type { ScopeId } from '../base/scope-id.js'
import { listOwned } from './list.js'
import { type Site, Yielder } from './site.js'

/** How much a scope holds, or by how much that changes. */
export interface Usage {
  readonly keys: number
  /** Bytes of values. */
  readonly bytes: number
}

/** The moment at which a count is asked for. */
export interface UsageMoment {
  /** The number of the present claim. */
  readonly claim: number
  /** The last revision. */
  readonly revision: number
}

interface Count extends Usage, UsageMoment {
  readonly folderTime: bigint
  /** When the folder had that time, by the clock of the files. */
  readonly lookedAtMs: number
  readonly countedAtMs: number
  readonly costMs: number
}

const NOTHING: Usage = { keys: 0, bytes: 0 }

/** What is known of the usage of a store's scopes, and what the group that is being staged would add. */
export class UsageBook {
  readonly #site: Site
  readonly #counts = new Map<string, Count>()
  readonly #staged = new Map<string, { readonly scope: ScopeId; usage: Usage }>()

  constructor(site: Site) {
    this.#site = site
  }

  /** Begins a group. */
  begin(): void {
    this.#staged.clear()
  }

  /** What a scope holds together with what the group stages. `isExact`: count, whatever is known. */
  async measure(scope: ScopeId, moment: UsageMoment, isExact = false): Promise<Usage> {
    const path = this.#site.layout.scopePath(scope)
    const known = this.#counts.get(path)
    const isTrusted = !isExact && known !== undefined && (await this.#isTrusted(path, known, moment))
    const count = isTrusted ? known : await this.#count(scope, path, moment)
    this.#counts.set(path, count)
    return add(count, this.#staged.get(path)?.usage ?? NOTHING)
  }

  /** The group stages this, too. */
  stage(scope: ScopeId, change: Usage): void {
    const path = this.#site.layout.scopePath(scope)
    this.#staged.set(path, { scope, usage: add(this.#staged.get(path)?.usage ?? NOTHING, change) })
  }

  /** The group is in place: what it staged is counted. */
  async settle(moment: UsageMoment): Promise<void> {
    for (const [path, { usage }] of this.#staged) {
      const count = this.#counts.get(path)
      const folderTime = (await this.#site.disk.stat(path))?.time ?? 0n
      const lookedAtMs = this.#site.host.now()
      if (count !== undefined)
        this.#counts.set(path, { ...count, ...add(count, usage), ...moment, folderTime, lookedAtMs })
    }
    this.#staged.clear()
  }

  /** It is not known what became of the group: its scopes are counted anew when they are asked for. */
  forget(): void {
    for (const path of this.#staged.keys()) this.#counts.delete(path)
    this.#staged.clear()
  }

  async #isTrusted(path: string, count: Count, { claim, revision }: UsageMoment): Promise<boolean> {
    const ageMs = this.#site.host.monotonicMs() - count.countedAtMs
    if (ageMs > Math.max(USAGE_TRUST_MS, count.costMs * USAGE_COST_SHARE)) return false
    if (((await this.#site.disk.stat(path))?.time ?? 0n) !== count.folderTime) return false
    const isOld = count.lookedAtMs - Number(count.folderTime / 1_000_000n) > CLOCK_TICK_MS
    return isOld || claim === count.claim || revision === count.revision
  }

  async #count(scope: ScopeId, path: string, moment: UsageMoment): Promise<Count> {
    const { disk, host, layout } = this.#site
    const startMs = host.monotonicMs()
    const folderTime = (await disk.stat(path))?.time ?? 0n
    const lookedAtMs = host.now()
    const yielder = new Yielder(host)
    let usage = NOTHING
    for (const key of await listOwned(this.#site, scope)) {
      const stat = await disk.stat(layout.keyPath(scope, key))
      if (stat?.kind === 'file') usage = add(usage, { keys: 1, bytes: stat.size })
      if (yielder.isDue()) await yielder.yield()
    }
    const countedAtMs = host.monotonicMs()
    return { ...usage, ...moment, folderTime, lookedAtMs, countedAtMs, costMs: countedAtMs - startMs }
  }
}

function add(left: Usage, right: Usage): Usage {
  return { keys: left.keys + right.keys, bytes: left.bytes + right.bytes }
}

/**
 * Repairing a store: what is safe is put right, and all else is left with a reason.
 *
 * X1  Everything is done while this process owns the store, after it has recovered what others left; a scope is
 *     touched by commits, and by renames to the work folder.
 * X2  A file of a foreign name is first committed under its key, as any value is, and only then taken away. So a
 *     repair that is cut short leaves both, with the same bytes, and the next one goes on.
 * X3  What is taken away holds no other bytes than those that were committed: it is looked at again behind its rename,
 *     and put back if somebody has edited it meanwhile.
 * X4  Nothing else that a person made is moved, removed or narrowed.
 */

import { ConflictError, diskError, StorageError } from '../base/errors.js'
import type { ScopeId } from '../base/scope-id.js'
import { CONTROL_NAME, deletedName } from '../disk/layout.js'
import { hasWaiters, readControlNames, removeReleased } from './claim.js'
import type { CommitNow } from './engine.js'
import { quotePath } from './finding.js'
import { inspectStore } from './inspect.js'
import type { Ownership } from './own.js'
import type { CheckReport, Finding, FindingKind, LeftAlone, RepairOptions, RepairReport } from './report.js'
import type { Site } from './site.js'
import { sweepSnapshots } from './snapshot.js'
import type { VisitBody } from './visit.js'

/** What a repair asks of the one that commits. */
export interface Repairer {
  /** Runs something while this process owns the store. */
  visit<T>(body: VisitBody<T>, options?: { readonly signal?: AbortSignal | undefined }): Promise<T>
}

/** Kinds that the next owner puts right by owning. */
const GOES_BY_OWNING: ReadonlySet<FindingKind> = new Set(['leftover', 'unrecovered'])

/** Why findings of other kinds are left, where a repair could be wrong. */
const REASONS: Readonly<Partial<Record<FindingKind, string>>> = {
  'damaged-claim': 'It may name a journal with commits; nothing is done about it without you.',
  'damaged-journal': 'It may hold commits that are nowhere else; nothing is done about it without you.',
  'folder-in-scope': 'What is in it is not known to be of no use.',
  'foreign-name': 'A folder is renamed by hand, while no process uses the store.',
  'link-in-scope': 'Where it leads is not looked at.',
  misplaced: 'What it is for is not known.',
  'other-filesystem': 'Moving it between filesystems is not one step.',
  'special-in-scope': 'What it is for is not known.',
  stray: 'It may be of use to somebody else.',
  'undecodable-name': 'The key that it stands for is not evident.',
  unreadable: 'Only its permissions, or the disk, can be the reason.',
  'unsupported-format': 'The format of a store is not guessed.',
  unwritable: 'Permissions are not changed.',
  'wide-permissions': 'Permissions are not changed.',
}

/** What was done about one finding, or why nothing was. */
type Outcome = { readonly action: string } | { readonly reason: string }

/**
 * Repairs what can be repaired safely, and checks the store again. A store that cannot be owned is left as it is, and
 * every finding says why. Rejects as `inspectStore` does.
 */
export async function repairStore(
  site: Site,
  repairer: Repairer,
  options: RepairOptions,
): Promise<RepairReport> {
  const repairing: Repairing = { site, repairer, options, outcomes: new Map() }
  let check = await inspectStore(site, options)
  for (;;) {
    const untried = check.findings.filter((each) => isRepairable(each) && !wasTried(repairing, each))
    if (untried.length === 0) break
    await repairSome(repairing, untried)
    check = await inspectStore(site, options) // of a kind with very many there are others now
    noteSwept(repairing, untried, check)
  }
  const repaired = [...repairing.outcomes.values()].flatMap(({ finding, outcome }) =>
    'action' in outcome ? { finding, action: outcome.action } : [],
  )
  return { repaired, left: check.findings.map((finding) => explain(repairing, finding)), check }
}

interface Repairing {
  readonly site: Site
  readonly repairer: Repairer
  readonly options: RepairOptions
  /** By kind and path. */
  readonly outcomes: Map<string, { readonly finding: Finding; readonly outcome: Outcome }>
}

function identify({ kind, path }: Finding): string {
  return `${kind}\0${path}`
}

function wasTried({ outcomes }: Repairing, finding: Finding): boolean {
  return outcomes.has(identify(finding))
}

function note({ outcomes }: Repairing, finding: Finding, outcome: Outcome): void {
  outcomes.set(identify(finding), { finding, outcome })
}

function explain({ outcomes }: Repairing, finding: Finding): LeftAlone {
  const outcome = outcomes.get(identify(finding))?.outcome
  const reason = outcome !== undefined && 'reason' in outcome ? outcome.reason : REASONS[finding.kind]
  return { finding, reason: reason ?? 'It has come again; repair once more.' }
}

function isRepairable(finding: Finding): boolean {
  return GOES_BY_OWNING.has(finding.kind) || isAdoptable(finding)
}

async function repairSome(repairing: Repairing, findings: readonly Finding[]): Promise<void> {
  const { site, repairer, options } = repairing
  const { signal } = options
  const owning = findings.filter(({ kind }) => GOES_BY_OWNING.has(kind))
  const failure = await failureOf(repairing, () =>
    repairer.visit((_, owned) => sweep(site, owned, owning), { signal }),
  )
  if (failure !== undefined) {
    for (const finding of findings) note(repairing, finding, failure)
    return
  }
  for (const finding of findings.filter(isAdoptable)) {
    const failure = await failureOf(repairing, async () => {
      const adopt: VisitBody<Outcome> = (commit, owned) =>
        adoptFile(site, { commit, owned, finding, options })
      note(repairing, finding, await repairer.visit(adopt, { signal }))
    })
    if (failure !== undefined) note(repairing, finding, failure)
  }
}

/** Why something could not be done; an abort, and what is no failure of the disk or of the store, rejects. */
async function failureOf(
  { site, options }: Repairing,
  attempt: () => Promise<unknown>,
): Promise<{ readonly reason: string } | undefined> {
  try {
    await attempt()
    return undefined
  } catch (error) {
    const isOfStore = error instanceof StorageError || (error instanceof Error && 'code' in error)
    if (options.signal?.aborted || !isOfStore) throw error
    return { reason: diskError(error, 'repair it', { store: site.layout.root }).message }
  }
}

/** What the store's owner need not keep; most of it went when this process became the owner. */
async function sweep(site: Site, { claim }: Ownership, findings: readonly Finding[]): Promise<void> {
  const names = findings.map(({ path }) => path.slice(CONTROL_NAME.length + 1))
  await hasWaiters(site, claim, new Set(names))
  await removeReleased(site, await readControlNames(site), claim.number)
  await sweepSnapshots(site)
}

/** What the next owner puts right was put right if it is not found any more. */
function noteSwept(repairing: Repairing, tried: readonly Finding[], { findings }: CheckReport): void {
  const present = new Set(findings.map(identify))
  for (const finding of tried) {
    if (!GOES_BY_OWNING.has(finding.kind) || wasTried(repairing, finding)) continue
    const isGone = !present.has(identify(finding))
    const action =
      finding.kind === 'leftover'
        ? `Cleared ${quotePath(finding.path)} away.`
        : `Recovered what ${quotePath(finding.path)} held.`
    note(
      repairing,
      finding,
      isGone ? { action } : { reason: 'It is still there; a later owner clears it away.' },
    )
  }
}

/** A file of a foreign name whose key is evident. */
interface Adoptable extends Finding {
  readonly scope: ScopeId
  readonly key: string
  readonly canonicalName: string
}

/** Folders are not: all that is in them would have to move in one step. */
function isAdoptable(finding: Finding): finding is Adoptable {
  return finding.kind === 'foreign-name' && finding.scope !== undefined && finding.key !== undefined
}

interface Adoption {
  readonly commit: CommitNow
  readonly owned: Ownership
  readonly finding: Adoptable
  readonly options: RepairOptions
}

/** Gives a file of a foreign name the name of its key (X2). */
async function adoptFile(site: Site, adoption: Adoption): Promise<Outcome> {
  const { finding, owned, options } = adoption
  const { path: relative, scope, canonicalName } = finding
  const path = `${site.layout.root}/${relative}`
  const stat = await site.disk.stat(path)
  if (stat !== undefined && stat.size > options.valueBytes)
    return { reason: `It has ${stat.size} bytes, and a value may have ${options.valueBytes}.` }
  const bytes = await site.disk.readFile(path)
  if (stat === undefined || bytes === undefined) return { reason: 'It is not there any more.' }
  if (!(await isCommitted(site, adoption, bytes)))
    return { reason: `Something else is called ${quotePath(canonicalName)}.` }
  if (!(await takeAway(site, owned, path, bytes)))
    return { reason: 'It was edited meanwhile; repair once more.' }
  await site.disk.syncFolder(site.layout.scopePath(scope))
  const mode = stat.mode === site.fileMode ? '' : `, which has the permissions of a new file`
  return { action: `Renamed ${quotePath(relative)} to ${quotePath(canonicalName)}${mode}.` }
}

/** Whether the key holds these bytes: it did already, or was free and holds them now. */
async function isCommitted(site: Site, { commit, finding }: Adoption, bytes: Uint8Array): Promise<boolean> {
  const { scope, key } = finding
  const path = site.layout.keyPath(scope, key)
  if ((await site.disk.stat(path)) !== undefined) {
    const present = await site.disk.readFile(path)
    return present !== undefined && Buffer.compare(present, bytes) === 0
  }
  try {
    const expectations = [{ scope, key, version: undefined }]
    await commit({ changes: [{ scope, key, value: bytes }], expectations })
    return true
  } catch (error) {
    if (error instanceof ConflictError) return false
    throw error
  }
}

/** Removes a file that holds these bytes; false, and it is as it was, if it does not (X3). */
async function takeAway(site: Site, owned: Ownership, path: string, bytes: Uint8Array): Promise<boolean> {
  owned.stage.lastRemoved += 1
  const taken = `${owned.claim.path}/${deletedName(owned.stage.lastRemoved)}`
  await site.disk.rename(path, taken)
  const moved = await site.disk.readFile(taken)
  if (moved !== undefined && Buffer.compare(moved, bytes) === 0) {
    await site.disk.unlink(taken)
    return true
  }
  await site.disk.rename(taken, path)
  return false
}

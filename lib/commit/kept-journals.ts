/** The journals that are kept in `.plainkeep`: what they say, and whether there is something to recover. */

import { JOURNAL_NAME } from '../disk/layout.js'
import {
  type ControlNames,
  findOwner,
  findWorkFolder,
  hasUnsettled,
  isFree,
  readControlNames,
} from './claim.js'
import { type JournalContents, type NumberedChange, parseInSteps } from './journal.js'
import { type Site, Yielder } from './site.js'

/** What is known of a kept journal; its file never changes, so it is read once. */
export interface KeptSummary {
  readonly revision: number
  readonly time: bigint
  readonly synced: number
  readonly bytes: number
}

/** Whether `.plainkeep` holds journals of an earlier session that no owner has recovered, so that files may be missing. */
export async function hasLostJournals(site: Site, names: ControlNames): Promise<boolean> {
  return (await isFree(site, names)) && (await readLostJournals(site)).length > 0
}

/**
 * Whether the owner is still recovering what it took over: it has no journal of its own yet, and there is something to
 * recover. True also where it is just beginning another journal, and old ones are left.
 */
export async function isRecovering(site: Site, names: ControlNames): Promise<boolean> {
  const record = await findOwner(site, names)
  const folder = record && findWorkFolder(names, record.folder)
  if (folder === undefined) return false
  const journal = site.layout.controlPath(`${folder}/${JOURNAL_NAME}`)
  if ((await site.disk.stat(journal)) !== undefined) return false
  return (await hasUnsettled(site, names, names.top)) || (await readLostJournals(site)).length > 0
}

/** The last change of each key, of commits that are not known to be synced. */
export function lastChanges(
  site: Site,
  journals: readonly JournalContents[],
  knownSynced = 0,
): Map<string, NumberedChange> {
  const synced = Math.max(knownSynced, ...journals.map((contents) => contents.synced))
  const last = new Map<string, NumberedChange>()
  for (const { changes } of journals) {
    for (const change of changes) {
      if (change.revision <= synced || change.kind === 'superseded') continue
      last.set(site.layout.keyPath(change.scope, change.key), change)
    }
  }
  return last
}

/** Reads a kept journal; undefined if it was removed meanwhile. */
export async function readKept(
  site: Site,
  name: string,
  revision: number,
): Promise<JournalContents | undefined> {
  const path = site.layout.controlPath(name)
  const bytes = await site.disk.readFile(path)
  return bytes === undefined ? undefined : parseInTurns(site, bytes, path, revision)
}

/** See `parseJournal`; other work has its turn meanwhile. */
export async function parseInTurns(
  site: Site,
  ...journal: Parameters<typeof parseInSteps>
): Promise<JournalContents | undefined> {
  const steps = parseInSteps(...journal)
  const yielder = new Yielder(site.host)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    if (yielder.isDue()) await yielder.yield()
  }
}

/** Whether a journal was written in the present session of the filesystem. */
export function isThisSession(site: Site, contents: JournalContents): boolean {
  return contents.header.session !== '' && contents.header.session === site.session
}

/** The kept journals of an earlier session; summaries of the others are added to `known`, which are not read again. */
export async function readLostJournals(
  site: Site,
  known: Map<string, KeptSummary> = new Map(),
): Promise<JournalContents[]> {
  const lost: JournalContents[] = []
  const { kept } = await readControlNames(site)
  const present = new Set(kept.map(({ name }) => name))
  for (const name of known.keys()) if (!present.has(name)) known.delete(name)
  for (const { name, revision } of kept) {
    if (known.has(name)) continue
    const contents = await readKept(site, name, revision)
    if (contents === undefined) continue
    if (!isThisSession(site, contents)) lost.push(contents)
    else known.set(name, summarize(contents))
  }
  return lost
}

/** What is to be known of a journal that is kept. */
export function summarize({ revision, time, synced, end }: JournalContents): KeptSummary {
  return { revision, time, synced, bytes: end }
}

/** Up to which revision journals say that all is synced. */
export function highestSynced(known: ReadonlyMap<string, KeptSummary>): number {
  return Math.max(0, ...[...known.values()].map(({ synced }) => synced))
}

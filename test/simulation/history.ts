/**
 * What a store may hold, by what its promises said, and whether it does.
 *
 * Definitions. An *event* changes files at once: a commit, or an edit by hand. It is *done* when its promise resolved,
 * and *open* while nothing is known of it: it is under way, its outcome is `unknown`, or its process is gone.
 *
 * H1  A done event is there, in the place that its acknowledgement has among the others.
 * H2  An open one is there whole, or not at all, and not before an event that was done when it began; after the death of
 *     its process it is not later than what was done by then.
 * H3  What was once seen stays: when a store has been opened anew, open events become done ones or never were.
 * H4  Every other file stays as it was, with its time.
 */

import { hashBytes } from '../setup/image-hash.js'
import { presentOf, type SimulatedDisk } from '../setup/simulated-disk.js'
import { ROOT } from '../setup/simulated-process.js'

/** A value, by its bytes. */
export type ContentId = number

/** A file as it is found. */
interface FoundFile {
  readonly content: ContentId
  readonly timeUs: number
}

/** All files of a store but its own, by their paths below the root. */
export type FoundFiles = ReadonlyMap<string, FoundFile>

/** A commit, or an edit by hand. */
export interface StoreEvent {
  readonly label: string
  /** By path; undefined for a file that is removed. */
  readonly changes: ReadonlyMap<string, ContentId | undefined>
  /** The times of its files, as far as they were told. */
  readonly times: ReadonlyMap<string, number>
  readonly revision: number | undefined
  /** A power cut may undo it although it is done. */
  readonly isVolatile: boolean
}

/** An event that may be there or not: behind so many done ones at least, and at most. */
interface OpenEvent {
  readonly event: StoreEvent
  readonly from: number
  readonly to: number
}

/** What happened to a store so far. */
export interface History {
  readonly initial: FoundFiles
  /** The last revision at the beginning. */
  readonly revision: number
  readonly done: readonly StoreEvent[]
  readonly open: readonly OpenEvent[]
}

const NO_FILES: FoundFiles = new Map()

/** A history in which nothing has happened. */
export function beginHistory(initial: FoundFiles = NO_FILES, revision = 0): History {
  return { initial, revision, done: [], open: [] }
}

/** An event begins. */
export function openEvent(history: History, event: StoreEvent): History {
  const from = history.done.length
  return { ...history, open: [...history.open, { event, from, to: Number.POSITIVE_INFINITY }] }
}

/** It is done, with what is known of it now; or it never was. */
export function closeEvent(
  history: History,
  event: StoreEvent,
  outcome: Partial<StoreEvent> | 'none',
): History {
  const open = history.open.filter((other) => other.event !== event)
  return {
    ...history,
    open,
    done: outcome === 'none' ? history.done : [...history.done, { ...event, ...outcome }],
  }
}

/** All processes are gone, perhaps by a power cut. */
export function endProcesses({ done, open, ...beginning }: History, isCut: boolean): History {
  const isKept = (event: StoreEvent): boolean => !isCut || !event.isVolatile
  const countKept = (count: number): number => done.slice(0, count).filter(isKept).length
  const undone = done.flatMap((event, index) => {
    const place = countKept(index)
    return isKept(event) ? [] : [{ event: { ...event, isVolatile: false }, from: place, to: place }]
  })
  const left = open.map(({ event, from, to }) => ({ event, from: countKept(from), to: countKept(to) }))
  return { ...beginning, done: done.filter(isKept), open: [...undone, ...left] }
}

/** The highest revision that was told. */
export function lastRevision({ revision: first, done }: History): number {
  return Math.max(first, ...done.map(({ revision = 0 }) => revision))
}

/** What is wrong with what was found, or what is known now (H3). */
export function judge(history: History, found: FoundFiles): History | string {
  const matches = [...listOrders(history)].filter((order) => matchesFiles(history.initial, order, found))
  if (matches.length === 0) return describeMismatch(history, found)
  return decide(history, matches, found)
}

/** A number for what a file holds. */
export function identifyBytes(bytes: Uint8Array): ContentId {
  return (hashBytes({ bytes, timeUs: 0, mode: 0 }) >>> 0) + bytes.byteLength * 2 ** 32
}

/** All files of a store but its own, as `cat` sees them. */
export function readFiles(disk: SimulatedDisk): FoundFiles {
  const files = new Map<string, FoundFile>()
  const visit = (inode: number, path: string): void => {
    const node = disk.node(inode)
    if (node.kind === 'file') {
      const present = presentOf(node)
      files.set(path, { content: identifyBytes(present.bytes), timeUs: present.timeUs })
      return
    }
    for (const [name, child] of node.names) {
      if (path !== '' || name !== '.plainkeep') visit(child, path === '' ? name : `${path}/${name}`)
    }
  }
  const root = disk.find(ROOT)
  if (root !== undefined) visit(root.inode, '')
  return files
}

/** Every order of events that a history allows. */
function* listOrders(
  { done, open }: Pick<History, 'done' | 'open'>,
  index = 0,
): Generator<readonly StoreEvent[]> {
  const next = open[index]
  if (next === undefined) {
    yield done
    return
  }
  for (const order of listOrders({ done, open }, index + 1)) {
    yield order
    for (let place = next.from; place <= Math.min(next.to, done.length); place += 1) {
      // Behind the done event at that place, and before other open ones that stand there already: they began later.
      const at = place === 0 ? 0 : order.indexOf(done[place - 1] as StoreEvent) + 1
      yield [...order.slice(0, at), next.event, ...order.slice(at)]
    }
  }
}

type Expected = Map<string, { content: ContentId; timeUs: number | undefined }>

function expectFiles(initial: FoundFiles, order: readonly StoreEvent[]): Expected {
  const expected: Expected = new Map(initial)
  for (const { changes, times } of order) {
    for (const [path, content] of changes) {
      if (content === undefined) expected.delete(path)
      else expected.set(path, { content, timeUs: times.get(path) })
    }
  }
  return expected
}

function matchesFiles(initial: FoundFiles, order: readonly StoreEvent[], found: FoundFiles): boolean {
  const expected = expectFiles(initial, order)
  if (expected.size !== found.size) return false
  for (const [path, { content, timeUs }] of expected) {
    const file = found.get(path)
    if (file?.content !== content || (timeUs !== undefined && timeUs !== file.timeUs)) return false
  }
  return true
}

/** Open events that are in all orders that match are done, those in none of them never were. */
function decide(history: History, matches: readonly (readonly StoreEvent[])[], found: FoundFiles): History {
  if (history.open.length === 0) return history
  const isIn = (event: StoreEvent): boolean => matches.every((order) => order.includes(event))
  const isOut = (event: StoreEvent): boolean => !matches.some((order) => order.includes(event))
  const order = matches.at(-1) as readonly StoreEvent[]
  const seen = order.filter((event) => history.done.includes(event) || isIn(event))
  const done = seen.map((event) => (history.done.includes(event) ? event : learnTimes(event, order, found)))
  const open = history.open.filter(({ event }) => !isIn(event) && !isOut(event))
  return { ...history, done, open: open.map((each) => ({ ...each, to: done.length })) }
}

/** The times of its files where it was the last to change them. */
function learnTimes(event: StoreEvent, order: readonly StoreEvent[], found: FoundFiles): StoreEvent {
  const times = new Map(event.times)
  for (const [path, content] of event.changes) {
    const isLast = order.findLast(({ changes }) => changes.has(path)) === event
    if (isLast && content !== undefined) times.set(path, (found.get(path) as FoundFile).timeUs)
  }
  return { ...event, times }
}

/** How what was found differs from what is there if no open event ever was. */
function describeMismatch(history: History, found: FoundFiles): string {
  const expected = expectFiles(history.initial, history.done)
  const lines: string[] = []
  for (const path of new Set([...expected.keys(), ...found.keys()])) {
    const [wanted, file] = [expected.get(path), found.get(path)]
    const isTime = wanted?.content === file?.content && wanted?.timeUs !== undefined
    if (wanted?.content === file?.content && (!isTime || wanted.timeUs === file?.timeUs)) continue
    if (isTime) lines.push(`${path} has the time ${file?.timeUs}, not ${wanted?.timeUs}`)
    else
      lines.push(
        `${path} is ${name(history, path, file?.content)}, not ${name(history, path, wanted?.content)}`,
      )
  }
  const open = history.open.map(({ event: { label }, from, to }) => `${label} (after ${from} to ${to})`)
  const done = history.done.map(({ label, revision }) => `${label} (revision ${revision})`)
  return `${lines.join('; ')}. Done: ${done.join(', ') || 'nothing'}. Open: ${open.join(', ') || 'nothing'}.`
}

/** Whose value it is. */
function name(history: History, path: string, content: ContentId | undefined): string {
  if (content === undefined) return 'missing'
  if (history.initial.get(path)?.content === content) return 'as it was at first'
  const events = [...history.done, ...history.open.map(({ event }) => event)]
  const writer = events.findLast(({ changes }) => changes.get(path) === content)
  return writer === undefined
    ? `what nobody wrote (${Math.floor(content / 2 ** 32)} bytes)`
    : `what ${writer.label} wrote`
}

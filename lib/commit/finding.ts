/** Findings: what a check tells of a store, each with its kind, its place and a sentence. */

import { FINDINGS_PER_KIND } from '../base/limits.js'
import type { FileKind } from '../disk/disk.js'
import { CONTROL_NAME } from '../disk/layout.js'
import type { Finding, FindingKind } from './report.js'

/** Of each kind, whether the store keeps every promise all the same: nothing is lost, hidden or refused for it. */
export const IS_HARMLESS: Readonly<Record<FindingKind, boolean>> = {
  'damaged-claim': false,
  'damaged-journal': false,
  'folder-in-scope': false,
  'foreign-name': true,
  leftover: true,
  'link-in-scope': true,
  misplaced: false,
  'other-filesystem': false,
  'special-in-scope': true,
  stray: true,
  'undecodable-name': true,
  unreadable: false,
  unrecovered: false,
  'unsupported-format': false,
  unwritable: false,
  'wide-permissions': true,
}

/** What is told of a finding; the kind says whether it is harmless. */
export type FindingDetails = Omit<Finding, 'isHarmless'>

/** The findings of one look: of each kind the first ones, and how many there were. */
export class Findings {
  readonly #kept: Finding[] = []
  readonly #counts = new Map<FindingKind, number>()

  /** The first findings of each kind, in the order in which they were added. */
  get kept(): readonly Finding[] {
    return this.#kept
  }

  /** How many findings of each kind there were. */
  get counts(): Readonly<Partial<Record<FindingKind, number>>> {
    return Object.fromEntries(this.#counts)
  }

  /** Whether the store keeps every promise, whatever was found. */
  get isSound(): boolean {
    return [...this.#counts.keys()].every((kind) => IS_HARMLESS[kind])
  }

  /** Adds one. */
  add(details: FindingDetails): void {
    const count = (this.#counts.get(details.kind) ?? 0) + 1
    this.#counts.set(details.kind, count)
    if (count > FINDINGS_PER_KIND) return
    const known = Object.entries(details).filter(([, value]) => value !== undefined)
    const finding = Object.fromEntries(known) as unknown as FindingDetails
    this.#kept.push({ ...finding, isHarmless: IS_HARMLESS[details.kind] })
  }
}

/** A path in a message: quoted, so that no name can pretend to be more than one. */
export function quotePath(path: string): string {
  return JSON.stringify(path === '' ? '.' : path)
}

/** A kind of file in words. */
export function describeKind(kind: FileKind): string {
  return kind === 'other' ? 'FIFO, socket or device' : kind
}

/** The path of a name in `.plainkeep`, relative to the store. */
export function inControl(name: string): string {
  return `${CONTROL_NAME}/${name}`
}

/** A name in `.plainkeep` that stands for no commit, and goes when the store has its next owner. */
export function describeLeftover(name: string, what: string): FindingDetails {
  const path = inControl(name)
  const message = `${quotePath(path)} is ${what}; it holds no commit, and a repair or the next owner removes it.`
  return { kind: 'leftover', path, message }
}

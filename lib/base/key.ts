/** What a key is: a non-empty, well-formed Unicode string. Plugin ids and workspace names obey the same rule. */

import { StorageError } from './errors.js'

/** What a string names. Only messages differ. */
export type KeyKind = 'key' | 'plugin id' | 'workspace name'

/** How much of a key a message shows, in UTF-16 units: enough to know it again. */
const SHOWN_UNITS = 60

/** With the `u` flag a surrogate matches only where it has no partner. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** Whether `key` is a non-empty, well-formed Unicode string. */
export function isKey(key: unknown): key is string {
  // A lone surrogate has no UTF-8 form: two such keys would become one file.
  return typeof key === 'string' && key !== '' && !LONE_SURROGATE.test(key)
}

/** Passes if `key` is a key. Throws `INVALID_KEY` otherwise; `what` says in the message what it was to name. */
export function checkKey(key: unknown, what: KeyKind = 'key'): asserts key is string {
  if (isKey(key)) {
    return
  }
  if (typeof key !== 'string') {
    const found = key === null ? 'null' : typeof key
    throw new StorageError('INVALID_KEY', `The ${what} is of type ${found}; pass a string.`)
  }
  const problem =
    key === ''
      ? `The ${what} is an empty string; give it at least one character.`
      : `The ${what} ${quoteKey(key)} has half of a surrogate pair; pass well-formed Unicode.`
  throw new StorageError('INVALID_KEY', problem, what === 'key' ? { key } : {})
}

/** A key for messages: quoted, controls escaped, and its end left out if it is long. */
export function quoteKey(key: string): string {
  return JSON.stringify(key.length > SHOWN_UNITS ? `${key.slice(0, SHOWN_UNITS)}…` : key)
}

/** What the cases assert again and again. */

import assert from 'node:assert/strict'
import { type ErrorCode, type ScopeId, StorageError } from '../index.js'

/** Where an error should say that it happened. */
export interface Place {
  readonly store?: string | undefined
  readonly scope?: ScopeId | undefined
  readonly key?: string | undefined
}

/** A call rejects with an error of this library. It does not throw before it gives its promise. */
export async function rejectsWith(
  code: ErrorCode,
  call: () => Promise<unknown>,
  place: Place = {},
): Promise<StorageError> {
  const error = await rejectionOf(call)
  checkError(error, code)
  checkPlace(error, place)
  return error
}

/** A call throws at once, an error of this library. */
export function throwsWith(code: ErrorCode, call: () => unknown): void {
  assert.throws(call, (error) => {
    checkError(error, code)
    return true
  })
}

/** What a call rejects with. It does not throw before it gives its promise. */
export async function rejectionOf(call: () => Promise<unknown>): Promise<unknown> {
  let promise: Promise<unknown>
  try {
    promise = call()
  } catch (error) {
    return assert.fail(`The call threw ${String(error)} at once; it should give a promise that rejects.`)
  }
  try {
    await promise
  } catch (error) {
    return error
  }
  return assert.fail('The call should have rejected.')
}

/** Bytes are those of another array, or of a text. */
export function equalBytes(actual: unknown, expected: Uint8Array | string): void {
  assert.ok(actual instanceof Uint8Array, `There should be bytes, and there is ${typeof actual}.`)
  const wanted = Buffer.from(expected)
  assert.equal(actual.byteLength, wanted.byteLength, 'The number of bytes is wrong.')
  // Compared by hand, since the difference between two large arrays takes minutes to print.
  const index = actual.findIndex((byte, at) => byte !== wanted[at])
  assert.equal(index, -1, `The bytes differ from index ${index} on.`)
}

function checkError(error: unknown, code: ErrorCode): asserts error is StorageError {
  assert.ok(
    error instanceof StorageError,
    `There should be a StorageError ${code}, and there is: ${String(error)}`,
  )
  assert.equal(error.code, code, error.message)
}

function checkPlace(error: StorageError, place: Place): void {
  if (place.store !== undefined)
    assert.equal(error.store, place.store, `${error.code} should name the store.`)
  if (place.key !== undefined) assert.equal(error.key, place.key, `${error.code} should name the key.`)
  if (place.scope === undefined) return
  const { workspace, plugin } = error.scope ?? {}
  assert.deepEqual(
    { workspace, plugin },
    { plugin: undefined, ...place.scope },
    `${error.code} should name the scope.`,
  )
}

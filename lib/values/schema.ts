/** Values that are checked by a Standard Schema. */

import type { Awaitable } from '../base/awaitable.js'
import type { SchemaIssue, SchemaResult, StandardSchema } from '../base/standard-schema.js'
import { SchemaRefusal } from '../store/codec.js'
import { Copier, type CopyRules, isOfBuiltIn } from './copy.js'

/**
 * What a schema makes of a value; at once if the schema answers at once. Throws, or rejects with, a `SchemaRefusal`, also
 * where the schema itself throws.
 */
export function validate(schema: StandardSchema, value: unknown): Awaitable<unknown> {
  let result: Awaitable<SchemaResult<unknown>>
  try {
    result = schema['~standard'].validate(value)
  } catch (cause) {
    throw refuseFailure(cause)
  }
  if (!(result instanceof Promise)) return accept(result)
  return result.then(accept, (cause: unknown) => {
    throw refuseFailure(cause)
  })
}

/**
 * A copy of what a schema is given, which a caller may change while the schema takes its time: of containers, dates and
 * bytes. Objects of a class are taken as they are. Throws `INVALID_VALUE` for a value that holds itself.
 */
export function copyForSchema(value: unknown): unknown {
  return new Copier(RULES).copy(value)
}

const RULES: CopyRules = {
  copyLeaf(value) {
    if (value instanceof Date && isOfBuiltIn(value)) return new Date(value)
    return value instanceof Uint8Array ? Uint8Array.prototype.slice.call(value) : value
  },
}

function accept(result: SchemaResult<unknown>): unknown {
  if (result.issues === undefined) return result.value
  throw new SchemaRefusal(Array.from(result.issues, plainIssue))
}

/** Only what the standard names: the issues and paths of some libraries are more than they seem. */
function plainIssue({ message, path }: SchemaIssue): SchemaIssue {
  if (path === undefined) return { message }
  return { message, path: Array.from(path, (step) => (typeof step === 'object' ? step.key : step)) }
}

function refuseFailure(cause: unknown): SchemaRefusal {
  const message = `The schema throws: ${cause instanceof Error ? cause.message : String(cause)}`
  return new SchemaRefusal([{ message }], cause)
}

/** Whether something has the form of a Standard Schema; ArkType's are functions. */
export function isSchema(value: unknown): value is StandardSchema {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  const standard = isObject ? (value as Partial<StandardSchema>)['~standard'] : undefined
  return typeof standard?.validate === 'function'
}

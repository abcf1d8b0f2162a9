/** Values that are checked by a Standard Schema. */

import type { Awaitable } from '../base/awaitable.js'
import type { StandardSchema } from '../base/standard-schema.js'
import { SchemaRefusal } from '../store/codec.js'

/** What a schema makes of a value; at once if the schema answers at once. Throws a `SchemaRefusal`. */
export function validate(schema: StandardSchema, value: unknown): Awaitable<unknown> {
  const result = schema['~standard'].validate(value)
  return result instanceof Promise ? result.then(accept) : accept(result)
}

function accept(result: Awaited<ReturnType<StandardSchema['~standard']['validate']>>): unknown {
  if (result.issues !== undefined) throw new SchemaRefusal(result.issues)
  return result.value
}

/** Whether something has the form of a Standard Schema; ArkType's are functions. */
export function isSchema(value: unknown): value is StandardSchema {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  const standard = isObject ? (value as Partial<StandardSchema>)['~standard'] : undefined
  return typeof standard?.validate === 'function'
}

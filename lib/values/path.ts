/** How messages say where in a value something is: `$.users[2]["full name"]`. */

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u

/** A property as it is written behind its object. */
export function describeProperty(name: string): string {
  return IDENTIFIER.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}

/** A place in a value, from the top; a number is an index. The empty path is `$`. */
export function describePath(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => (typeof step === 'string' ? describeProperty(step) : `[${String(step)}]`))
  return ['$', ...steps].join('')
}

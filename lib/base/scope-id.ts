/** The name of a scope: a plugin's private storage, or the shared storage of a workspace. */

/** A scope of a store. Without `plugin` it is the workspace's shared storage. */
export interface ScopeId {
  readonly workspace: string
  readonly plugin?: string | undefined
}

/** A scope in words, for messages. */
export function describeScope(scope: ScopeId): string {
  const workspace = JSON.stringify(scope.workspace)
  return scope.plugin === undefined
    ? `the shared storage of workspace ${workspace}`
    : `the storage of plugin ${JSON.stringify(scope.plugin)} in workspace ${workspace}`
}

/** Whether two names are of the same scope. */
export function isSameScope(left: ScopeId, right: ScopeId): boolean {
  return left.workspace === right.workspace && left.plugin === right.plugin
}

/** Versions: what tells one state of an entry from every other, without a sidecar file. */

/** The version of a file: its modification time, shown with inode and size, as an opaque string. */
export function encodeVersion(stat: {
  readonly time: bigint
  readonly inode: bigint
  readonly size: number
}): string {
  return `${stat.time.toString(36)}-${stat.inode.toString(36)}-${stat.size.toString(36)}`
}

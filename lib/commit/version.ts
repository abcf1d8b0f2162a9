/** Versions: what tells one state of an entry from every other, without a sidecar file. */

/** The version of a file: its modification time, shown with inode and size, as an opaque string. */
export function encodeVersion(stat: {
  readonly time: bigint
  readonly inode: bigint
  readonly size: number
}): string {
  return `${stat.time.toString(36)}-${stat.inode.toString(36)}-${stat.size.toString(36)}`
}

/** The modification time in a version. */
export function decodeTime(version: string): bigint {
  let time = 0n
  for (const digit of version.slice(0, version.indexOf('-')))
    time = time * 36n + BigInt(Number.parseInt(digit, 36))
  return time
}

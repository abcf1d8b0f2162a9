/**
 * The manifest of a backup: its last file, which says what all others must be. JSON, one object in each line: the first
 * about the whole, then one for each value, in the order of the archive. docs/format.md describes it.
 */

/** The version of the manifest that this library writes and reads. */
export const BACKUP_FORMAT = 1

/** The longest line that is read, in bytes: the names of a path have at most 255 each. */
export const MANIFEST_LINE_BYTES: number = 8 * 1024

/** What the first line says. */
export interface ManifestHead {
  /** The version of the manifest. */
  readonly backup: number
  /** The last commit that is in it. */
  readonly revision: number
  /** An ISO date. */
  readonly createdAt: string
  readonly keys: number
  /** Of all values together. */
  readonly bytes: number
}

/** What a line says of a value. */
export interface ManifestLine {
  /** Of its file, as in the archive. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** The CRC-32 of its bytes. */
  readonly crc: number
}

/** The lines, each made when it is asked for; to be asked for more than once. */
export function encodeManifest(
  head: Omit<ManifestHead, 'backup'>,
  lines: readonly ManifestLine[],
): Iterable<string> {
  return {
    *[Symbol.iterator]() {
      yield `${JSON.stringify({ backup: BACKUP_FORMAT, ...head })}\n`
      for (const { path, size, crc } of lines)
        yield `${JSON.stringify({ path, size, crc32: crc.toString(16).padStart(8, '0') })}\n`
    },
  }
}

/** What the first line says; undefined if it is none. */
export function parseHead(line: string): ManifestHead | undefined {
  const head = parseObject(line)
  const { backup, revision, createdAt, keys, bytes } = head
  const numbers = [backup, revision, keys, bytes]
  const isHead = numbers.every((number) => Number.isSafeInteger(number) && (number as number) >= 0)
  return isHead && !Number.isNaN(Date.parse(String(createdAt)))
    ? (head as unknown as ManifestHead)
    : undefined
}

/** What one of the other lines says; undefined if it is none. */
export function parseLine(line: string): ManifestLine | undefined {
  const { path, size, crc32 } = parseObject(line)
  const isLine = typeof path === 'string' && Number.isSafeInteger(size) && /^[0-9a-f]{8}$/.test(String(crc32))
  return isLine ? { path, size: size as number, crc: Number.parseInt(String(crc32), 16) } : undefined
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

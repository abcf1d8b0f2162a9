/**
 * The Disk: what the store asks of a filesystem, and what each operation promises after a power cut.
 *
 * Definitions. A file is *synced* when its bytes and its size are on stable storage; a folder is synced when the
 * names in it are. Whatever is not synced may be lost, kept or torn by a power cut, each thing by itself; only a
 * rename is never seen half done.
 *
 * An operation gives its result at once or as a promise; callers always await it. One that fails throws or rejects
 * with the error of the system call, with its `code`. Paths are absolute. No operation follows a link in the last
 * part of its path.
 */

import type { Awaitable } from '../base/awaitable.js'

/** What a name stands for. Sockets, FIFOs and devices are `other`. */
export type FileKind = 'file' | 'folder' | 'link' | 'other'

/** What is known of a file or folder. */
export interface FileStat {
  readonly kind: FileKind
  /** Modification time, nanoseconds since 1970. */
  readonly time: bigint
  readonly inode: bigint
  readonly device: bigint
  /** Bytes. */
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  /** When it was made, nanoseconds since 1970, where the filesystem tells: an inode's number alone is used again. */
  readonly bornAt?: bigint
  /** When anything of it was changed last, its name or bytes or times, by the system's clock; where the filesystem tells. */
  readonly changedAt?: bigint
}

/** What is known of a file, in numbers that are quick to compare. */
export interface FileStamp {
  readonly inode: number
  readonly device: number
  readonly size: number
  /** Milliseconds since 1970, with a fraction. */
  readonly timeMs: number
  readonly changedAtMs: number
}

/** How to create a file. */
export interface CreateOptions {
  /** Permission bits, before the umask. `UNTIMED_MODE` among them goes when the file has its time. */
  readonly mode: number
  /** Set the permission bits whatever the umask says. */
  readonly exactMode?: boolean
  /** The modification time to set, nanoseconds since 1970; rounded to what the filesystem can hold. */
  readonly time?: bigint
  /**
   * The time set must be later than this one, if need be by a coarser step, and is no earlier than the one that the
   * file got when its bytes were written: a power cut can keep that one.
   */
  readonly laterThan?: bigint
  /** The file (not its name) is synced when the call succeeds. */
  readonly sync?: boolean
}

/** The sticky bit, which means nothing for files: one that has it got its time from the kernel, when it was made. */
export const UNTIMED_MODE = 0o1000

/** A file open for reading and writing at a position. */
export interface WritableFile {
  /** Up to so many bytes from a position on; fewer where the file ends. */
  read(position: number, length: number): Awaitable<Uint8Array>
  /** Writes all bytes there, or fails having written some. Nothing is synced. */
  write(bytes: Uint8Array, position: number): Awaitable<void>
  /** The file's bytes and size are synced. After a failure nothing is known of them, whatever a later call says. */
  sync(): Awaitable<void>
  /** Ends the use of the file. */
  close(): void
}

/** A file open for reading, whatever becomes of its name. */
export interface ReadableFile {
  /** What tells it from every other file for as long as it is open. */
  readonly identity: string
  /** Up to so many bytes from a position on; fewer where the file ends. */
  read(position: number, length: number): Awaitable<Uint8Array>
  /** Ends the use of the file. */
  close(): void
}

/** A name in a folder. */
export interface FolderName {
  readonly name: string
  readonly kind: FileKind
  /** Whether the name is UTF-8; another one is shown with U+FFFD in it, and no path leads there. */
  readonly isText: boolean
}

/** A folder whose names are being read. */
export interface FolderReader {
  /** Some of the names that were not given yet; none after the last. */
  read(): Awaitable<readonly FolderName[]>
  /** Ends the use of the folder. */
  close(): void
}

/** What tells a file from every other that is there at the same time. */
export function identifyFile({ device, inode }: Pick<FileStat, 'device' | 'inode'>): string {
  return `${device}-${inode}`
}

/** The stamp of a file; undefined where the filesystem does not tell when it was changed last. */
export function stampFile({ inode, device, size, time, changedAt }: FileStat): FileStamp | undefined {
  if (changedAt === undefined) return undefined
  const place = { inode: Number(inode), device: Number(device), size }
  return { ...place, timeMs: toMs(time), changedAtMs: toMs(changedAt) }
}

/** Rounded as node:fs does it. */
function toMs(ns: bigint): number {
  return Number(ns / 1_000_000_000n) * 1000 + Number(ns % 1_000_000_000n) / 1_000_000
}

/** About a dozen operations on files; the one seam to the operating system. */
export interface Disk {
  /** The bytes of a regular file; undefined if there is none of that name. */
  readFile(path: string): Awaitable<Uint8Array | undefined>
  /** The bytes of a regular file and what is known of that very file. */
  readFileAndStat(path: string): Awaitable<{ bytes: Uint8Array; stat: FileStat } | undefined>
  /** What is known of a name; undefined if there is none. */
  stat(path: string): Awaitable<FileStat | undefined>
  /** Whether a name stands for the file that the stamp is of, and nothing of it was changed since. */
  isUnchanged(path: string, stamp: FileStamp): Awaitable<boolean>
  /** Whether this process may change names in a folder, by its permissions. */
  isWritable(folder: string): Awaitable<boolean>
  /** The names in a folder, in no order; undefined if there is no such folder. */
  listNames(folder: string): Awaitable<string[] | undefined>
  /** The names of one kind in a folder. Beside renames it can leave out names on some filesystems. */
  listKind(folder: string, kind: FileKind): Awaitable<string[] | undefined>
  /**
   * The names in a folder, some at a time, so that none has too many; undefined if there is no such folder. Beside
   * renames it can leave out names, or give one twice, on some filesystems.
   */
  openFolder(path: string): Awaitable<FolderReader | undefined>
  /** Makes a new file that holds exactly these bytes; `EEXIST` if the name is taken. A failure leaves none. */
  createFile(path: string, bytes: Uint8Array, options: CreateOptions): Awaitable<FileStat>
  /**
   * A file of this name will soon be created, with this mode or an exact one: it may be made beside other work, empty,
   * until `createFile` fills it. A spare that cannot be made is none. `createFile` fails as if there were none.
   */
  makeSpare(path: string, mode: number): void
  /** Spares in this folder that were not filled are gone, as far as possible. Never fails. */
  removeSpares(folder: string): Awaitable<void>
  /** Opens an existing file for reading and writing. */
  openFile(path: string): Awaitable<WritableFile>
  /** Opens a regular file for reading; undefined if there is none of that name. */
  openReader(path: string): Awaitable<ReadableFile | undefined>
  /** Makes a folder; `EEXIST` if the name is taken. */
  makeFolder(path: string, mode: number): Awaitable<void>
  /** Moves a name, replacing a file that has the new one: at every moment and after a power cut one of the two. */
  rename(from: string, to: string): Awaitable<void>
  /** Gives a file a second name; `EEXIST` if that is taken, and one caller alone wins. */
  link(existing: string, path: string): Awaitable<void>
  /** Removes a file's name. */
  unlink(path: string): Awaitable<void>
  /** Removes an empty folder; `ENOTEMPTY` otherwise. From then on every late call into it fails. */
  removeFolder(path: string): Awaitable<void>
  /** Sets a file's modification time, in nanoseconds since 1970. Nothing is synced. */
  setTime(path: string, time: bigint): Awaitable<void>
  /** A regular file's bytes are synced. False if there is none of that name. */
  syncFile(path: string): Awaitable<boolean>
  /** The names in a folder are synced. False if there is no such folder. */
  syncFolder(path: string): Awaitable<boolean>
  /** Whether others may change a folder behind the system's back, as on a network: then it gives no hints of that. */
  isShared(folder: string): boolean
  /**
   * Calls back soon after a name in a folder changes, or a file, as far as the system tells; only a hint. Without a name
   * anything may have changed. Where the system gives no hints, or none any more, `onLost` is told why, perhaps before
   * the call returns; the watch is closed then.
   */
  watchFolder(
    path: string,
    onHint: (name: string | undefined) => void,
    onLost?: (error: unknown) => void,
  ): { close(): void }
}

/** Whether an error is a system call's, with one of these codes. */
export function isErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(error.code as string)
}

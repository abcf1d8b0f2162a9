/** What the system may answer, and what the caller is told. A journal that cannot be flushed breaks the store. */
export const SYSTEM_CODES: Readonly<Record<string, string>> = {
  EIO: 'IO_ERROR',
  ENOSPC: 'DISK_FULL',
  EACCES: 'ACCESS_DENIED',
  EMFILE: 'IO_ERROR',
  EROFS: 'ACCESS_DENIED',
}

/** Every limit of the library, with its unit and the reason for it. */

/** The longest file name, in bytes of UTF-8: what ext4, xfs, btrfs, tmpfs and most others allow; APFS and NTFS allow more. */
export const FILENAME_BYTES = 255

/** The largest value a store takes unless told otherwise, in bytes: a value is held in memory whole. */
export const VALUE_BYTES: number = 64 * 1024 * 1024

/** Values up to this size are read and staged at once, and journaled with their bytes; larger ones block too long. */
export const SMALL_VALUE_BYTES: number = 64 * 1024

/** A large value is written in pieces of this size, so that other work gets its turn. */
export const WRITE_CHUNK_BYTES: number = 1024 * 1024

/** Steps by which a modification time is raised until the filesystem shows it as later: some hold only 1 or 2 s. */
export const TIME_STEPS_NS: readonly bigint[] = [0n, 1_000n, 1_000_000n, 1_000_000_000n, 2_000_000_000n]

/** A group of commits is closed at this many bytes of values, so that one flush stays short. */
export const GROUP_BYTES: number = 1024 * 1024

/** The journal is first this long; the smallest write of most filesystems. */
export const JOURNAL_STEP_BYTES: number = 4096

/** The journal grows by as much as it has, but by no more than this, so that most appends change no metadata. */
export const JOURNAL_STEP_LIMIT_BYTES: number = 1024 * 1024

/** A checkpoint begins when the journals together have this many bytes: what recovery must read stays short. */
export const CHECKPOINT_BYTES: number = 4 * 1024 * 1024

/** Commits wait for the checkpoint when the journals together have this many bytes. */
export const JOURNALS_LIMIT_BYTES: number = 16 * 1024 * 1024

/** A checkpoint begins after so long without writes, and then the store is let go. */
export const IDLE_MS = 1000

/** An owner lets the store go after so long while others wait: long enough to pay for a takeover many times. */
export const SLICE_MS = 50

/** Work that must not freeze the process yields to the event loop after so long. */
export const YIELD_MS = 4

/** How often a waiting process looks again, beside the hints of the system; with jitter of as much again. */
export const POLL_MS = 10

/** A lock that was not renewed for so long is stale; its owner was stopped, or is on another machine and dead. */
export const LOCK_STALE_MS = 5000

/** A write waits so long for its turn unless told otherwise. */
export const LOCK_TIMEOUT_MS = 10_000

/** An open store looks this often whether the owner has died. */
export const WATCH_OWNER_MS = 500

/** A folder's time tells changes apart only if they are so far apart: the kernel's clock ticks every 1 to 10 ms. */
export const CLOCK_TICK_MS = 20

/** A listing that a change spoils is repeated so often before it waits for the store to itself. */
export const LISTING_ROUNDS = 3

/** Who cannot have the store to himself lists so often more, and unites: 2 % left out of each listing are none of six. */
export const UNION_ROUNDS = 3

/** Flushes of a checkpoint at the same time; Node has four threads for all file work of a process. */
export const CHECKPOINT_FLUSHES = 3

/** A commit that is durable but cannot be published is tried again for so long before the call rejects. */
export const PUBLISH_RETRY_MS = 1000

/** A group keeps at most this many bytes of values in the journal; beyond it even small values are synced as files. */
export const INLINE_BYTES: number = 4 * 1024 * 1024

/** An owner with nothing to do looks this often whether others wait, beside the hints of the system. */
export const REST_MS = 50

/** An owner that others wait for lets the store go after so long without a write, or when its slice is over. */
export const PAUSE_MS = 2

/** After letting the store go to others, a process does not claim it again for so long, so that one of them can. */
export const COURTESY_MS = 25

/** The usage of a scope is counted anew after so long, in case files were edited in place; ... */
export const USAGE_TRUST_MS = 1000

/** ... but counting takes at most one part of so many of the time. */
export const USAGE_COST_SHARE = 100

/** A transaction's body runs so often without owning the store, before it has the store to itself. */
export const OPTIMISTIC_ATTEMPTS = 3

/** The wait after the second conflict is up to so long; it doubles with each. The first is tried again at once. */
export const CONFLICT_WAIT_MS = 2

/** A transaction's body may have the store to itself for so long unless told otherwise. */
export const BODY_LIMIT_MS = 5000

/** Where making a file takes longer than this, files are made before they are needed; a detour through a thread costs a third. */
export const SLOW_CREATE_MS = 0.1

/** So many staged files are made ahead at most: enough for the sets between two turns of the event loop. */
export const SPARE_FILES = 16

/** Where flushes take no longer they are done at once: too short to be noticed, and a thread costs as much. */
export const QUICK_FLUSH_MS = 2

/** More than this is flushed by a thread in any case. */
export const QUICK_FLUSH_BYTES: number = 256 * 1024

/** On macOS a stream of changes that was made anew runs again after so long. */
export const REOPENED_STREAM_MS = 200

/** A watcher looks this often whatever it is told, in case a hint got lost. */
export const WATCH_LOOK_MS = 1000

/** So many watched folders are looked at then, in case one was replaced; if there are more, in turn. */
export const FOLDERS_A_LOOK = 100

/** A timer that is late by so much may have missed hints: the process was stopped, or its event loop blocked. */
export const WATCH_LATE_MS = 1000

/** An edit by hand is reported when the file has stood still for so long. */
export const QUIET_MS = 50

/** Where the system gives no hints, folders are compared this often ... */
export const POLL_FOLDERS_MS = 1000

/** ... but comparing takes at most one part of so many of the time. */
export const POLL_COST_SHARE = 20

/** So many names are looked at in one go: three to four times cheaper than one promise each, and still short. */
export const LOOK_SLICE_NAMES = 200

/** The wait before another look whether the last commit of a journal is in place; it doubles with each look ... */
export const SETTLE_FIRST_MS = 1

/** ... up to so long. */
export const SETTLE_MAX_MS = 50

/** Journals that are moved while they are looked for are looked for so often in one go. */
export const STILL_ROUNDS = 10

/** A journal that is needed no more is left for so long to processes that follow, who may be late, ... */
export const PAST_MS = 5000

/** ... but no more than so many bytes of them. */
export const PAST_BYTES: number = 16 * 1024 * 1024

/** A journal is followed in pieces of so many bytes. */
export const FEED_WINDOW_BYTES: number = 16 * 1024

/** A watcher that is iterated keeps so many changes before it keeps only the last one of each key. */
export const WATCH_QUEUE_CHANGES = 10_000

/** Values and listings that were read lately are kept in memory, up to so many bytes for a store, unless told otherwise. */
export const CACHE_BYTES: number = 16 * 1024 * 1024

/** Beside its bytes, keeping a value takes about so many. */
export const CACHED_VALUE_BYTES = 600

/** Keeping a key of a listing takes about so many bytes. */
export const CACHED_KEY_BYTES = 100

/** Remembering that a value was read once takes about so many. */
export const READ_ONCE_BYTES = 100

/** A value that would take more than one part of so many of the room for them is not kept. */
export const CACHED_VALUE_SHARE = 8

/** Filesystems with times in whole seconds tell changes apart only if they are so far apart. */
export const COARSE_TICK_MS = 2050

/** Larger values are read and archived in pieces of this size, so that other work gets its turn. */
export const READ_PIECE_BYTES: number = 64 * 1024

/** An archive is written in pieces of this size. */
export const ARCHIVE_PIECE_BYTES: number = 1024 * 1024

/** A snapshot whose maker cannot be known to live is removed when nothing was done in its folder for so long. */
export const SNAPSHOT_STALE_MS: number = 60 * 60 * 1000

/** A value that is being edited in place is read again so often before a backup gives up. */
export const EDITED_READS = 100

/** A snapshot that another process took the store from is completed again so often. */
export const SNAPSHOT_ROUNDS = 5

/** The names in a folder are read so many at a time: memory stays the same, however many there are. */
export const FOLDER_READ_NAMES = 256

/** A report of a check tells of so many findings of each kind; the others are counted. */
export const FINDINGS_PER_KIND = 1000

/** What a check finds in the store's own folder must be there still after so long: others may be in the middle of a step. */
export const SECOND_LOOK_MS = 30

/** A work folder whose maker cannot be looked up from here is left behind after so long: nobody waits as long for a turn. */
export const LEFT_BEHIND_MS: number = 10 * 60 * 1000

/** No file that names a format is longer, in bytes. */
export const FORMAT_FILE_BYTES = 4096

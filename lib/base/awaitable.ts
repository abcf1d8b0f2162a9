/** What can be had without waiting is not made to wait. */

/** A value at once, or a promise of it. */
export type Awaitable<T> = T | Promise<T>

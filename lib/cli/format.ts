/** Numbers and tables for people. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A size: `17 B`, `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let [size, unit] = [bytes, 0]
  while (size >= 1023.5 && unit < UNITS.length - 1) {
    size /= 1024
    unit += 1
  }
  const digits = unit > 0 && size < 9.95 ? 1 : 0
  return `${size.toFixed(digits)} ${UNITS[unit]}`
}

const SPANS = [
  [60, 's'],
  [60, 'm'],
  [24, 'h'],
  [365, 'd'],
  [Number.POSITIVE_INFINITY, 'y'],
] as const

/** How long ago something was: `12s`, `3h`, `2y`; `future` for what a clock dates later than now. */
export function formatAge(ageMs: number): string {
  if (ageMs < -1000) return 'future'
  let span = Math.max(0, Math.floor(ageMs / 1000))
  for (const [length, unit] of SPANS) {
    if (span < length) return `${span}${unit}`
    span = Math.floor(span / length)
  }
  return ''
}

/** A number of things: `1 key`, `12,345 keys`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

/** Rows as lines with columns of equal width, but for the last one. Those named as numbers are on the right. */
export function formatTable(rows: readonly (readonly string[])[], numbers: readonly number[] = []): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => widthOf(row[index] ?? ''))))
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const room = ' '.repeat((widths[index] ?? 0) - widthOf(cell))
        if (numbers.includes(index)) return room + cell
        return index === row.length - 1 ? cell : cell + room
      })
      .join('  ')
      .trimEnd(),
  )
}

const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g')
const WIDE = /[\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\p{Emoji_Presentation}\uff01-\uff60]/gu

/** How many columns a text takes on most terminals. */
function widthOf(text: string): number {
  const plain = text.replaceAll(COLOURS, '').replaceAll(/\p{M}/gu, '')
  return [...plain].length + (plain.match(WIDE)?.length ?? 0)
}

/** A bar for a share from 0 to 1, in eighths of a column. */
export function formatBar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * columns * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (eighths % 8 === 0 ? '' : ' ▏▎▍▌▋▊▉'[eighths % 8])
}

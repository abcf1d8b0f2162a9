/** What the benchmark prints and draws. */

/** A figure with three digits that count, in a unit that fits. */
export function formatTime(microseconds) {
  const [value, unit] =
    microseconds >= 1e6
      ? [microseconds / 1e6, 's']
      : microseconds >= 1000
        ? [microseconds / 1000, 'ms']
        : [microseconds, 'µs']
  return `${Number(value.toPrecision(3))} ${unit}`
}

/** What a contender promises, in short. */
export function describePromise({ isDurable, isAtomic, processes }) {
  return [
    isDurable ? 'durable' : 'NOT durable',
    isAtomic ? 'atomic' : 'NOT atomic',
    `${processes} writing`,
  ].join(', ')
}

/** Prints a table of one comparison. */
export function printTable(title, rows) {
  console.log(`\n${title}`)
  for (const row of rows) {
    const spread = row.low === undefined ? '' : `(${formatTime(row.low)} to ${formatTime(row.high)})`
    const ratio = row.ratio === undefined ? '' : `plainkeep / this: ${row.ratio.toPrecision(3)}`
    const promise = row.processes === undefined ? '' : describePromise(row)
    const what =
      row.text ?? `${formatTime(row.microseconds).padStart(9)} ${spread.padEnd(22)} ${ratio.padEnd(26)}`
    console.log(`  ${row.name.padEnd(40)} ${what} ${promise}`.trimEnd())
  }
}

const WIDTH = 760
const ROW = 18

/** What the chart shows: the first comparison of each of these parts. */
const CHARTED = ['get', 'set', 'mixed', 'burst', 'commit']

/** An SVG chart: one block for each comparison, a bar for each contender, on a logarithmic scale. */
export function drawChart(results) {
  const blocks = CHARTED.flatMap((part) => results.find((result) => result.part === part) ?? [])
  let y = 24
  const parts = []
  for (const { title, rows } of blocks) {
    parts.push(`<text x="8" y="${y}" font-weight="bold">${escapeText(title)}</text>`)
    y += 8
    const timed = rows.filter(({ microseconds }) => microseconds !== undefined)
    const [least, most] = [Math.min, Math.max].map((pick) => pick(...timed.map((row) => row.microseconds)))
    for (const row of timed) {
      const share = Math.log(row.microseconds / least + 0.5) / Math.log(most / least + 1.5)
      const color = row.name === 'plainkeep' ? '#2a7' : row.isDurable === false ? '#ccc' : '#69c'
      parts.push(
        `<text x="300" y="${y + 13}" text-anchor="end">${escapeText(row.name)}</text>`,
        `<rect x="308" y="${y + 2}" width="${Math.max(2, share * 340).toFixed(0)}" height="${ROW - 5}" fill="${color}"/>`,
        `<text x="${(316 + Math.max(2, share * 340)).toFixed(0)}" y="${y + 13}">${formatTime(row.microseconds)}</text>`,
      )
      y += ROW
    }
    y += 26
  }
  const style = 'font-family="sans-serif" font-size="12" fill="#333"'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" ${style}>
<title>plainkeep and its peers: the time of one operation</title>
<rect width="${WIDTH}" height="${y}" fill="#fff"/>
${parts.join('\n')}
<text x="8" y="${y - 8}">time of one operation, logarithmic; green plainkeep, blue durable, grey not durable</text>
</svg>
`
}

function escapeText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

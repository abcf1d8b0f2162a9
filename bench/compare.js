/** Compares two results: node bench/compare.js OLD.json NEW.json. Prints new / old of the ratios to the limits and peers. */

import { readFileSync } from 'node:fs'

const [before, after] = process.argv.slice(2, 4).map((path) => JSON.parse(readFileSync(path, 'utf8')))
for (const { title, rows } of after.results) {
  const old = before.results.find((each) => each.title === title)
  if (old === undefined) continue
  console.log(`\n${title}`)
  for (const row of rows) {
    const was = old.rows.find(({ name }) => name === row.name)
    if (was?.ratio === undefined || row.ratio === undefined) continue
    const change = `${was.ratio.toPrecision(3)} -> ${row.ratio.toPrecision(3)}`
    console.log(
      `  plainkeep / ${row.name.padEnd(40)} ${change.padEnd(18)} x ${(row.ratio / was.ratio).toFixed(2)}`,
    )
  }
}

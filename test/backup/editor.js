/**
 * A process that edits a file in place, as careless editors do: node editor.js FILE
 *
 * It empties the file and fills it with one letter in many small writes, then rests. Each time the letter and the length
 * are others. It says `{ began }` once.
 */

import fs from 'node:fs'

const [file] = process.argv.slice(2)
const LETTERS = 'abcdefghij'

for (let round = 0; ; round += 1) {
  const descriptor = fs.openSync(file, 'w')
  const piece = Buffer.alloc(65536, LETTERS[round % LETTERS.length])
  for (let written = 0; written < 100 + (round % 50); written += 1) fs.writeSync(descriptor, piece)
  fs.closeSync(descriptor)
  if (round === 0) fs.writeSync(1, `${JSON.stringify({ began: true })}\n`)
  await new Promise((resolve) => setTimeout(resolve, 40 + Math.random() * 40))
}

/** What is shown to a person never moves the cursor, changes colours, or turns the text around. */

/** Controls, invisible formatting but for joiners of letters and emoji, and separators of lines. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const JOINERS = '\u200c\u200d'
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** A text for one line: a key, a path, a message. */
export function escapeLine(text: string): string {
  return text.replaceAll(UNSAFE, (character) =>
    JOINERS.includes(character) ? character : (SHORT[character] ?? escapeCodePoint(character)),
  )
}

/** A value as text of several lines; bytes that are no text as `\x00`. */
export function escapeValue(bytes: Uint8Array): string {
  const text = decodeText(bytes)
  if (text === undefined) return escapeBytes(bytes)
  return text.replaceAll(/[^\n\t]+/g, escapeLine)
}

/** The same document with nothing in it but what a terminal prints. */
export function escapeJson(json: string): string {
  return json.replaceAll(UNSAFE, (character) =>
    Array.from(character.split(''), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join(
      '',
    ),
  )
}

/** The text that bytes are in UTF-8; undefined if they are none. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function escapeBytes(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  return text.replaceAll(/[^\n\t\x20-\x7e]/g, escapeCodePoint)
}

function escapeCodePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** Colours, where they are wanted. */

/** How a text may look. */
type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Gives a text a look, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

/** Colours only on a terminal, and not if `NO_COLOR` is set (https://no-color.org) or it is a dumb one. */
export function makePaint(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): Paint {
  const isOn = isTerminal && !env.NO_COLOR && env.TERM !== 'dumb'
  return (style, text) => {
    const [on, off] = CODES[style]
    return isOn ? `\u001b[${on}m${text}\u001b[${off}m` : text
  }
}

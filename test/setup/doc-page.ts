/** A page of the documents as what a reader would do with it: sections, and the fenced blocks in each. */

/** A fenced block. */
interface Block {
  /** What stands behind the fence: `js`, `sh`, `console`; empty if nothing does. */
  readonly language: string
  readonly text: string
  /** The line of its fence, from 1 on. */
  readonly line: number
  /** A file that the line before it names; what the block holds is put there. */
  readonly path: string | undefined
}

/** The blocks below one heading of the second level; those before the first one stand under the title. */
export interface Section {
  readonly heading: string
  readonly blocks: readonly Block[]
}

/** The sections that have blocks. */
export function parsePage(text: string): Section[] {
  const sections: { heading: string; blocks: Block[] }[] = []
  let open: { language: string; line: number; path: string | undefined; lines: string[] } | undefined
  let before = ''
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^```(\w*)$/.exec(line)
    if (open !== undefined && fence === null) open.lines.push(line)
    else if (open !== undefined) {
      const { lines, ...block } = open
      sections.at(-1)?.blocks.push({ ...block, text: lines.map((each) => `${each}\n`).join('') })
      open = undefined
    } else if (fence !== null) {
      open = { language: fence[1] as string, line: index + 1, path: findPath(before), lines: [] }
    } else if (/^##? /.test(line)) sections.push({ heading: line.replace(/^#+ /, ''), blocks: [] })
    if (open === undefined && line !== '') before = line
  }
  return sections.filter(({ blocks }) => blocks.length > 0)
}

/** "Put this into `first.mjs`:" names a file. */
function findPath(before: string): string | undefined {
  return /`([\w./-]+\.\w+)`.*:$/.exec(before)?.[1]
}

/** A command of a transcript, and what it prints. */
export interface Command {
  readonly command: string
  readonly output: string
}

/** A transcript's commands; a line that begins with `$ ` is one. */
export function parseTranscript(text: string): Command[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n')
      return { command: part.slice(0, end), output: part.slice(end + 1) }
    })
}

/** Whether what was printed is what is shown; `…` stands for anything. */
export function isShown(printed: string, shown: string): boolean {
  const parts = shown.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^]*')}$`).test(printed)
}

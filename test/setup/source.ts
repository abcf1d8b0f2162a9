/** The library's sources as the rules in source-rules.ts see them: text, what it imports, what it declares. */

import { posix } from 'node:path'
import { type ESTree, parseSync, Visitor } from 'vite'

/** Texts by path, such as `disk/layout.ts`: the library itself, or a sample of a few lines. */
export type Texts = Readonly<Record<string, string>>

/** One parsed file. */
export interface Source {
  /** Relative to lib/, as in `disk/layout.ts`. */
  readonly path: string
  readonly layer: string
  readonly text: string
  readonly program: ESTree.Program
  /** The end offsets of the docstrings. */
  readonly docstringEnds: readonly number[]
  /** Every module named by an import, an export or an import type, as it is written. */
  readonly imports: readonly string[]
}

/** Parses texts, and throws where one is not TypeScript. */
export function parseSources(texts: Texts): Source[] {
  return Object.entries(texts).map(([path, text]) => {
    const { program, comments, errors } = parseSync(path, text)
    if (errors[0] !== undefined) throw new SyntaxError(`${path}: ${errors[0].message}`)
    const docstrings = comments.filter(({ type, value }) => type === 'Block' && value.startsWith('*'))
    return {
      path,
      layer: layerOf(path),
      text,
      program,
      docstringEnds: docstrings.map(({ end }) => end),
      imports: listImports(program),
    }
  })
}

/** The first folder of a path in lib/; empty for the files directly in it. */
export function layerOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : ''
}

/** The path in lib/ that a relative import of a source leads to; undefined for a package. */
export function resolveImport(from: Source, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return posix.join(posix.dirname(from.path), specifier).replace(/\.js$/, '.ts')
}

/** Whether a docstring stands directly before a node, with nothing but line comments between. */
export function hasDocstring(source: Source, node: ESTree.Span): boolean {
  const end = source.docstringEnds.findLast((offset) => offset <= node.start)
  return end !== undefined && /^(\n *\/\/.*)*\n? *$/.test(source.text.slice(end, node.start))
}

function listImports(program: ESTree.Program): string[] {
  const specifiers: string[] = []
  const add = ({ source }: { readonly source: ESTree.Expression | null }): void => {
    if (source?.type === 'Literal' && typeof source.value === 'string') specifiers.push(source.value)
  }
  new Visitor({
    ImportDeclaration: add,
    ExportNamedDeclaration: add,
    ExportAllDeclaration: add,
    ImportExpression: add,
    TSImportType: add,
  }).visit(program)
  return specifiers
}

/** Markup that is safe to send. Only `html` makes it, so that text cannot be taken for it. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | null | undefined | Markup | readonly Markup[]

/** A template whose every value is escaped, in text and in quoted attributes alike. */
export function html(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const text = literals.map((literal, index) => literal + (index < parts.length ? escaped(parts[index]) : ''))
  return new Markup(text.join(''))
}

function escaped(part: Part): string {
  if (part instanceof Markup) return part.text
  if (Array.isArray(part)) return part.map(escaped).join('')
  return String(part ?? '').replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/**
 * JSON that is one line to every reader, so that no value can forge another (ASVS 16.4.1). JSON itself escapes the line
 * breaks of ASCII; other readers of text know more of them, and terminals obey control characters.
 */
export function onOneLine(value: object): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

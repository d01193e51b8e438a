/** What the page may load: its own files, and nothing from anywhere else. Swagger UI sets styles and has icons as data. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * The page.
 *
 * @param base where its files are, relative to it
 */
export function pageOf(title: string, base: string): string {
  const [shown, from] = [title, base].map(escaped)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${shown}</title>
<link rel="stylesheet" href="${from}swagger-ui.css">
<link rel="icon" type="image/png" href="${from}favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${from}swagger-ui-bundle.js"></script>
<script src="${from}start.js"></script>
</body>
</html>
`
}

/** Starts Swagger UI on the document beside the script; nothing is sent to a validator elsewhere. */
export const START = `SwaggerUIBundle({
  url: new URL('openapi.json', document.currentScript.src).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
})
`

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? '')
}

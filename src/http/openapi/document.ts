import type { Edge, EdgeConfig } from '../edge.ts'
import type { Route } from '../rest/endpoint.ts'
import type { DialectDescription, OpenApiDocument } from './model.ts'
import { HEADERS, reply } from './responses.ts'
import { describeRest } from './rest.ts'
import { describeUpdateuser } from './updateuser.ts'
import { describeZato } from './zato.ts'

const TAGS = {
  rest: 'For new clients: resources, merge patches, entity tags, problem details.',
  zato: 'Zato SSO 3.2: JSON in, an envelope out.',
  updateuser: 'DigDash: one request updates one account.',
}

const DESCRIPTION =
  'Accounts and their updates. A method that a path does not have is answered 405, OPTIONS 204, both with Allow; HEAD as GET, but for /updateuser.'

/**
 * Makes documents, for the path that `sso.rest` turns out to be mounted at or without it. One is kept: whoever asks for it
 * again, which anybody may, costs no more than its transport.
 */
export function documentsOf(edge: Edge, routes: readonly Route[]): (rest?: string) => OpenApiDocument {
  let kept: { readonly rest: string | undefined; readonly document: OpenApiDocument } | null = null
  return (rest) => {
    const { paths } = edge.config.openapi
    if (kept?.rest !== rest || !kept) {
      kept = { rest, document: openApiDocument(edge, rest === undefined ? paths : { ...paths, rest }, routes) }
    }
    return kept.document
  }
}

/** Describes the dialects that are mounted; those without a path are not. */
function openApiDocument(edge: Edge, paths: EdgeConfig['openapi']['paths'], routes: readonly Route[]): OpenApiDocument {
  const { title, version } = edge.config.openapi
  const described: Partial<Record<keyof typeof TAGS, DialectDescription>> = {
    ...(paths.rest === undefined ? {} : { rest: describeRest(edge, templated(paths.rest), routes) }),
    ...(paths.zato === undefined ? {} : { zato: describeZato(edge, templated(paths.zato)) }),
    ...(paths.updateuser === undefined ? {} : { updateuser: describeUpdateuser(edge, templated(paths.updateuser)) }),
  }
  const dialects = Object.values(described)
  return {
    openapi: '3.1.0',
    info: { title, version, description: DESCRIPTION },
    tags: Object.entries(TAGS)
      .filter(([name]) => name in described)
      .map(([name, description]) => ({ name, description })),
    paths: Object.assign({}, ...dialects.map(({ paths }) => paths)),
    components: {
      schemas: Object.assign({}, ...dialects.map(({ schemas }) => schemas)),
      headers: HEADERS,
      responses: { MethodNotAllowed: methodNotAllowed() },
      securitySchemes: {
        ust: { type: 'http', scheme: 'bearer', description: 'The user session token that a login gives.' },
        basic: { type: 'http', scheme: 'basic', description: 'Username and password.' },
      },
    },
  }
}

function methodNotAllowed() {
  return reply('The path does not have this method.', null, { Allow: 'Allow' })
}

/** A path as a template: braces mean something there, and the operations' own paths begin with the slash. */
function templated(path: string): string {
  return path.replace(/\/$/, '').replaceAll('{', '%7B').replaceAll('}', '%7D')
}

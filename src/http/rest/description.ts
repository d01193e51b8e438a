import type { Route } from './endpoint.ts'

/** What the router says of itself. */
export const DESCRIPTION_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/openapi.json',
    operation: null,
    summary: 'This document.',
    reply: 'OpenApi',
    runOpen: async ({ describe, baseUrl }) => ({ body: describe(baseUrl) }),
  },
]

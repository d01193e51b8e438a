import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { type Request, type RequestHandler, type Response, Router } from 'express'
import { SsoError } from '../../errors.ts'
import { type Edge, handle, otherMethods } from '../edge.ts'
import { restFail } from '../rest/failures.ts'
import { POLICY, pageOf, START } from './page.ts'

const ASSETS = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']

/**
 * The OpenAPI document as a page: a plain router, for any mount point.
 *
 * @throws SsoError `option_invalid` where `swagger-ui-dist` is not installed
 */
export function docsRouter(edge: Edge, describe: () => object): Router {
  const root = assetsFolder()
  const router = Router({ caseSensitive: true })
  const fail = restFail(edge)
  const mount = (path: string, run: (req: Request, res: Response) => void) => {
    const handler: RequestHandler = handle(edge, 'rest', fail, async (req, res) => {
      res.set({
        'Content-Security-Policy': POLICY,
        'X-Content-Type-Options': 'nosniff',
        'Referrer-Policy': 'no-referrer',
      })
      run(req, res)
    })
    router
      .route(path)
      .get(handler)
      .all(otherMethods(edge, 'rest', ['GET'], fail))
  }

  mount('/', (req, res) => res.type('html').send(pageOf(edge.config.openapi.title, baseOf(req))))
  mount('/start.js', (_req, res) => res.type('text/javascript').send(START))
  mount('/openapi.json', (_req, res) => res.json(describe()))
  for (const name of ASSETS) {
    mount(`/${name}`, (_req, res) => {
      // They are the same for everybody; that they are the latest is asked for each time.
      res.set('Cache-Control', 'no-cache').sendFile(name, { root, cacheControl: false })
    })
  }
  return router
}

/** The page may be asked for with or without a slash at the end; a proxy may have taken something off the path. */
function baseOf({ originalUrl }: Request): string {
  const path = originalUrl.split('?')[0] ?? ''
  return `./${path.slice(path.lastIndexOf('/') + 1)}/`.replace('.//', './')
}

/** @throws SsoError `option_invalid` */
function assetsFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  } catch (cause) {
    throw new SsoError('option_invalid', {
      message: 'sso.docs shows the document with swagger-ui-dist, which is not installed: npm install swagger-ui-dist',
      cause,
    })
  }
}

import type { ErrorObject } from 'ajv/dist/2020.js'
import { type Issue, issue, issuesError, SsoError } from '../../errors.ts'
import { wording } from './validate.ts'

/** What a schema has found wrong, with an issue for each member that is not accepted. */
export function faultsOf(errors: readonly ErrorObject[]): SsoError {
  const [first, ...others] = errors.map(faultOf)
  return first ? issuesError([first, ...others]) : new SsoError('input_invalid')
}

function faultOf(error: ErrorObject): Issue {
  const { keyword, params, instancePath } = error
  const member: unknown = params['missingProperty'] ?? params['additionalProperty']
  const name = typeof member === 'string' ? member : (instancePath.split('/').at(-1) ?? '')
  const own = issue(name, 'input_invalid').pointer
  const pointer = typeof member === 'string' ? `${instancePath}${own}` : instancePath
  if (keyword === 'required') return issue(name, 'input_missing', 'The member is missing.', pointer)
  if (keyword === 'additionalProperties') return issue(name, 'attribute_unknown', 'There is no such member.', pointer)
  return issue(name, 'input_invalid', wording(error), pointer)
}

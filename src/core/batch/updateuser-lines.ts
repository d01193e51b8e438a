import { type Issue, issue, issuesError, SsoError } from '../../errors.ts'
import { type UpdateuserParameters, updateuserRequest } from '../accounts/updateuser.ts'
import type { Core } from '../core.ts'
import { isPlainObject } from '../schema/validate.ts'
import type { LineCall, RawLine, Task } from './task.ts'
import { unreadable } from './user-lines.ts'

/** Parameters of the `updateuser` operation as a dialect has read them. */
export interface ReadParameters {
  readonly parameters: Readonly<Record<string, unknown>>
  /** What is wrong with them. */
  readonly faults: readonly Issue[]
}

/** Reads a line of the `updateuser` operation. @param read takes the parameters out of it */
export function updateuserTask(
  core: Core,
  { line, value }: RawLine,
  call: LineCall,
  read: (line: Readonly<Record<string, unknown>>) => ReadParameters,
): Task {
  if (value instanceof SsoError) return unreadable(line, null, call, value)
  if (!isPlainObject(value)) {
    return unreadable(line, null, call, new SsoError('input_malformed', { message: 'The line is not a JSON object.' }))
  }
  const { parameters, faults } = read(value)
  const { uid } = parameters
  if (typeof uid !== 'string' || uid === '') {
    const isNamed = faults.some(({ attribute }) => attribute === 'uid')
    const [first = issue('uid', 'input_missing'), ...others] = isNamed
      ? faults
      : [...faults, issue('uid', 'input_missing')]
    return unreadable(line, null, call, issuesError([first, ...others]))
  }
  const { credentials, context, isDryRun } = call
  const { uidAttribute } = core.config.updateuser
  const request = updateuserRequest(core, {
    credentials,
    context,
    parameters: parameters as unknown as UpdateuserParameters,
    faults,
  })
  const asked = Object.keys(request.data as object)
  return {
    line,
    called: { id: uidAttribute === 'user_id' ? uid : null, username: uidAttribute === 'username' ? uid : null, uid },
    context,
    request: { ...request, demands: { isDryRun } },
    asked: [...asked, 'password'],
    create: null,
    renames: asked.includes('username') || asked.includes(uidAttribute),
  }
}

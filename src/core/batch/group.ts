import { SsoError } from '../../errors.ts'
import type { Committed } from '../accounts/commit.ts'
import { mayRead, standingOf } from '../accounts/rights.ts'
import { changedOf, settle } from '../accounts/update.ts'
import type { AttributeChange } from '../audit/record.ts'
import { authenticate, confirm, type Proof } from '../sessions/gate.ts'
import { type Draft, draftOf, type Entry, type Failure } from './propose.ts'
import { recordsOf, repeated } from './repeats.ts'
import type { BatchResult } from './results.ts'
import type { Batch } from './task.ts'
import { type Written, writeEach, writeTogether } from './write.ts'

/** Runs lines, each about another account, in one transaction in which each stands alone. Results in their order. */
export async function runEach(batch: Batch, entries: readonly Entry[]): Promise<readonly BatchResult[]> {
  const { known, drafts, failures } = await prepare(batch, entries)
  const written = await writeEach(batch, drafts)
  return [...known, ...(await concluded(batch, written, failures))].sort(byLine)
}

/** What is known of lines before any of them is written. */
export interface Prepared {
  /** Of lines that an earlier call has done. */
  readonly known: readonly BatchResult[]
  readonly drafts: readonly Draft[]
  readonly failures: readonly Failure[]
}

/** Everything about lines that can be known before their transaction. @throws SsoError where the caller may not go on */
export async function prepare(batch: Batch, entries: readonly Entry[]): Promise<Prepared> {
  const { core } = batch
  const tasks = entries.map(({ task }) => task)
  const proof = await current(batch)
  const earlier = await recordsOf(batch, tasks, core.store)
  const known = tasks.flatMap((task) => {
    const entry = earlier.get(task.line)
    return entry ? [repeated(batch, task, entry)] : []
  })
  const open = entries.filter(({ task }) => !earlier.has(task.line))
  // Passwords are hashed side by side.
  const outcomes = await Promise.all(open.map((entry) => draftOf(batch, entry, proof)))
  return {
    known,
    drafts: outcomes.filter((outcome) => 'write' in outcome),
    failures: outcomes.filter((outcome) => 'error' in outcome),
  }
}

/** Writes all lines in one transaction, or none. Results in their order. */
export async function runTogether(
  batch: Batch,
  { known, drafts, failures }: Prepared,
): Promise<readonly BatchResult[]> {
  const written = failures.length > 0 ? [] : await writeTogether(batch, drafts)
  const isDone = failures.length === 0 && written.every((outcome) => !('error' in outcome))
  const results = await concluded(batch, written, failures)
  const told = new Set(results.map(({ line }) => line))
  const undone = isDone ? [] : drafts.filter(({ task }) => !told.has(task.line)).map(undoneOf)
  return [...known, ...results, ...undone].sort(byLine)
}

/** The caller as he is now. A password has been verified once; that the hash is still the same is enough. */
async function current({ core, credentials, proof, context }: Batch): Promise<Proof> {
  if (credentials.via !== 'password') return authenticate(core, credentials, context, { actor: null, target: null })
  const actor = await confirm(core, credentials, proof, context, core.store)
  return { ...proof, actor, account: proof.account && (await core.store.findAccount(proof.account.values.user_id)) }
}

/** Tells the host and the audit trail of what has become of lines. */
async function concluded(
  batch: Batch,
  written: readonly Written[],
  failures: readonly Failure[],
): Promise<readonly BatchResult[]> {
  const { core, isDryRun, context } = batch
  const refused = [
    ...failures,
    ...written.flatMap((outcome) =>
      'error' in outcome ? [{ task: outcome.draft.task, occasion: outcome.draft.occasion, error: outcome.error }] : [],
    ),
  ].sort((a, b) => a.task.line - b.task.line)
  if (refused.length > 0) {
    for (const { error, occasion } of refused) {
      if (!isExpected(error)) await core.hooks.error(error, occasion.context)
    }
    await core.trail.refuseAll(refused).catch((fault) => core.hooks.error(fault, context))
  }

  const committed = written.flatMap((outcome) => ('committed' in outcome ? [outcome] : []))
  if (!isDryRun && committed.length > 0) {
    core.trail.committed()
    for (const { committed: change } of committed) await settle(core, change)
  }
  return [
    ...refused.map(failed),
    ...committed.map(({ draft, committed }) => done(batch, draft, committed)),
    ...written.flatMap((outcome) =>
      'repeats' in outcome ? [repeated(batch, outcome.draft.task, outcome.repeats)] : [],
    ),
  ]
}

function done(batch: Batch, { task, asked }: Draft, { change }: Committed): BatchResult {
  const { core, isDryRun } = batch
  const { target, changes, before } = change
  const changed = changedOf(core, changes, asked)
  const standing = standingOf(change.actor, target.user_id)
  const isShown = ({ attribute }: AttributeChange) =>
    changed.includes(attribute) &&
    (!core.catalogue.has(attribute) ||
      core.catalogue.get(attribute)?.secret === true ||
      mayRead(core, standing, attribute))
  return {
    ...blank(task),
    // In a dry run the id of a new account is nobody's.
    id: before === null && isDryRun ? null : target.user_id,
    username: target.username,
    isCreated: before === null,
    changed,
    changes: isDryRun ? changes.filter(isShown) : null,
  }
}

function failed({ task, occasion, error }: Failure): BatchResult {
  const { target } = occasion
  return {
    ...blank(task),
    id: target?.id ?? task.called.id,
    username: target?.name ?? task.called.username,
    status: 'error',
    error: isExpected(error) ? error : new SsoError('internal'),
  }
}

function undoneOf({ task, occasion: { target } }: Draft): BatchResult {
  return {
    ...blank(task),
    id: target?.id ?? task.called.id,
    username: target?.name ?? task.called.username,
    status: 'undone',
  }
}

function blank({ line, called }: Draft['task']): BatchResult {
  return {
    kind: 'result',
    line,
    ...called,
    status: 'ok',
    isCreated: false,
    isRepeated: false,
    changed: [],
    changes: null,
    error: null,
  }
}

/** Whether the caller may be told: anything else that is thrown is answered as `internal` (ASVS 16.5.1). */
function isExpected(error: unknown): error is SsoError {
  return error instanceof SsoError && error.kind !== 'fault' && error.kind !== 'wiring'
}

function byLine(a: BatchResult, b: BatchResult): number {
  return a.line - b.line
}

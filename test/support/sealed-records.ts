import type { SealedRecord } from '../../src/core/audit/sink.ts'

/** A record as the relay gives it to sinks; the hash is not one that anything was computed from. */
export function sealedRecord(id: number, fields: Partial<SealedRecord> = {}): SealedRecord {
  return {
    id,
    hash: Buffer.alloc(32, id).toString('base64url'),
    cid: `c${id}`,
    time: '2026-01-02T03:04:05.006Z',
    operation: 'updateuser',
    outcome: 'ok',
    error: null,
    actor_id: '1',
    actor_name: 'admin',
    actor_via: 'password',
    target_id: '2',
    target_name: 'ada',
    app: 'CRM',
    remote_addr: '127.0.0.1',
    user_agent: 'test',
    dialect: 'updateuser',
    changes: [{ attribute: 'display_name', from: null, to: 'Ada' }],
    ...fields,
  }
}

/** Records with the given numbers. */
export function sealedRecords(...ids: readonly number[]): SealedRecord[] {
  return ids.map((id) => sealedRecord(id))
}

/** A time that is never over. */
export const UNHURRIED = new AbortController().signal

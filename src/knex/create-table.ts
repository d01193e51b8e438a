import type { Knex } from 'knex'
import type { Layout } from './layout.ts'

/** Name of a table's primary key: Knex fails on an unnamed one where the host maps identifiers (SQLite). */
export function key(table: string): string {
  return `${table}_pkey`
}

/** Creates a table of the package's own. */
export function createTable(
  layout: Layout,
  name: string,
  fill: (builder: Knex.CreateTableBuilder) => void,
): (schema: Knex.SchemaBuilder) => Knex.SchemaBuilder {
  return (schema) =>
    schema.createTable(name, (builder) => {
      if (layout.dialect === 'mysql') {
        // Compares as PostgreSQL and SQLite do; what must not depend on case has a key of its own.
        builder.charset('utf8mb4')
        builder.collate('utf8mb4_bin')
        builder.engine('InnoDB')
      }
      fill(builder)
    })
}

import type { Options } from '../../src/index.ts'
import type { DatabaseName } from './databases.ts'

type Users = NonNullable<Options['users']>

/** A users table exactly as an object-relational mapper makes it, and how it is mapped. */
export interface OrmTable {
  readonly statements: Readonly<Record<DatabaseName, readonly string[]>>
  readonly users: Users
  /** Options that the findings of the bare mapping ask for. */
  readonly remedy: Partial<Users>
  /** Columns that the bare mapping has findings of, on every database. */
  readonly found: readonly string[]
  /** A row as the host's program writes it, without its password. */
  readonly row: Readonly<Record<string, unknown>>
  /** Id of that row, where the program makes it. */
  readonly id?: Partial<Readonly<Record<DatabaseName, string>>>
  /** Column of the time of the last change; null where the program keeps none. */
  readonly touched: string | null
  /** Attributes that can be changed, and whether they may be null. */
  readonly attributes: Readonly<Record<string, boolean>>
}

const EARLIER = '2020-01-02 03:04:05.678'

export const ORM_TABLES: Readonly<Record<string, OrmTable>> = {
  Sequelize: {
    statements: {
      sqlite: [
        'CREATE TABLE IF NOT EXISTS `Users` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `username` VARCHAR(255) NOT NULL UNIQUE, `email` VARCHAR(255), `passwordHash` VARCHAR(255), `firstName` VARCHAR(255), `isAdmin` TINYINT(1) DEFAULT 0, `lockedAt` DATETIME, `createdAt` DATETIME NOT NULL, `updatedAt` DATETIME NOT NULL)',
      ],
      mariadb: [
        'CREATE TABLE IF NOT EXISTS `Users` (`id` INTEGER NOT NULL auto_increment , `username` VARCHAR(255) NOT NULL UNIQUE, `email` VARCHAR(255), `passwordHash` VARCHAR(255), `firstName` VARCHAR(255), `isAdmin` TINYINT(1) DEFAULT false, `lockedAt` DATETIME, `createdAt` DATETIME NOT NULL, `updatedAt` DATETIME NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB',
      ],
      postgres: [
        'CREATE TABLE IF NOT EXISTS "Users" ("id"  SERIAL , "username" VARCHAR(255) NOT NULL UNIQUE, "email" VARCHAR(255), "passwordHash" VARCHAR(255), "firstName" VARCHAR(255), "isAdmin" BOOLEAN DEFAULT false, "lockedAt" TIMESTAMP WITH TIME ZONE, "createdAt" TIMESTAMP WITH TIME ZONE NOT NULL, "updatedAt" TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY ("id"))',
      ],
    },
    users: {
      table: 'Users',
      columns: {
        user_id: 'id',
        password: 'passwordHash',
        first_name: 'firstName',
        is_super_user: 'isAdmin',
        locked_time: 'lockedAt',
      },
    },
    remedy: { timestamps: { created: 'createdAt', updated: 'updatedAt' } },
    found: ['createdAt', 'updatedAt'],
    row: { username: 'old', passwordHash: '', createdAt: `${EARLIER} +00:00`, updatedAt: `${EARLIER} +00:00` },
    touched: 'updatedAt',
    attributes: { email: true, first_name: true },
  },

  TypeORM: {
    statements: {
      sqlite: [
        `CREATE TABLE "user" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "email" varchar NOT NULL, "password" varchar NOT NULL, "firstName" varchar, "isAdmin" boolean NOT NULL DEFAULT (0), "createdAt" datetime NOT NULL DEFAULT (datetime('now')), "updatedAt" datetime NOT NULL DEFAULT (datetime('now')), CONSTRAINT "UQ_e12875dfb3b1d92d7d7c5377e22" UNIQUE ("email"))`,
      ],
      mariadb: [
        'CREATE TABLE `user` (`id` varchar(36) NOT NULL, `email` varchar(255) NOT NULL, `password` varchar(255) NOT NULL, `firstName` varchar(255) NULL, `isAdmin` tinyint NOT NULL DEFAULT 0, `createdAt` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), `updatedAt` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), UNIQUE INDEX `IDX_e12875dfb3b1d92d7d7c5377e2` (`email`), PRIMARY KEY (`id`)) ENGINE=InnoDB',
      ],
      postgres: [
        'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"',
        'CREATE TABLE "user" ("id" uuid NOT NULL DEFAULT uuid_generate_v4(), "email" character varying NOT NULL, "password" character varying NOT NULL, "firstName" character varying, "isAdmin" boolean NOT NULL DEFAULT false, "createdAt" TIMESTAMP NOT NULL DEFAULT now(), "updatedAt" TIMESTAMP NOT NULL DEFAULT now(), CONSTRAINT "UQ_e12875dfb3b1d92d7d7c5377e22" UNIQUE ("email"), CONSTRAINT "PK_cace4a159ff9f2512dd42373760" PRIMARY KEY ("id"))',
      ],
    },
    users: {
      table: 'user',
      columns: { user_id: 'id', username: 'email', first_name: 'firstName', is_super_user: 'isAdmin' },
    },
    remedy: {
      columns: { user_id: 'id', username: 'email', email: false, first_name: 'firstName', is_super_user: 'isAdmin' },
      timestamps: { updated: 'updatedAt' },
    },
    found: ['email'],
    row: { email: 'old@example.org', createdAt: EARLIER, updatedAt: EARLIER },
    id: { mariadb: '6f1e5f86-9f0e-4d5c-8d8e-0c1d2e3f4a5b' },
    touched: 'updatedAt',
    attributes: { first_name: true },
  },

  Prisma: {
    statements: {
      sqlite: [
        'CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "email" TEXT NOT NULL, "name" TEXT, "password" TEXT NOT NULL, "locked" BOOLEAN NOT NULL DEFAULT false, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" DATETIME NOT NULL)',
        'CREATE UNIQUE INDEX "User_email_key" ON "User"("email")',
      ],
      mariadb: [
        'CREATE TABLE `User` (`id` VARCHAR(191) NOT NULL, `email` VARCHAR(191) NOT NULL, `name` VARCHAR(191) NULL, `password` VARCHAR(191) NOT NULL, `locked` BOOLEAN NOT NULL DEFAULT false, `createdAt` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `updatedAt` DATETIME(3) NOT NULL, UNIQUE INDEX `User_email_key`(`email`), PRIMARY KEY (`id`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci',
      ],
      postgres: [
        'CREATE TABLE "User" ("id" TEXT NOT NULL, "email" TEXT NOT NULL, "name" TEXT, "password" TEXT NOT NULL, "locked" BOOLEAN NOT NULL DEFAULT false, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL, CONSTRAINT "User_pkey" PRIMARY KEY ("id"))',
        'CREATE UNIQUE INDEX "User_email_key" ON "User"("email")',
      ],
    },
    users: {
      table: 'User',
      columns: { user_id: 'id', username: 'email', email: false, display_name: 'name', is_locked: 'locked' },
    },
    remedy: { timestamps: { updated: 'updatedAt' } },
    found: ['updatedAt'],
    row: { id: 'cjld2cjxh0000qzrmn831i7rn', email: 'old@example.org', updatedAt: EARLIER },
    touched: 'updatedAt',
    attributes: { display_name: true },
  },

  'Rails with Devise': {
    statements: {
      sqlite: [
        `CREATE TABLE "users" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "email" varchar DEFAULT '' NOT NULL, "encrypted_password" varchar DEFAULT '' NOT NULL, "reset_password_token" varchar, "remember_created_at" datetime(6), "name" varchar, "admin" boolean DEFAULT FALSE NOT NULL, "locked_at" datetime(6), "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL)`,
        'CREATE UNIQUE INDEX "index_users_on_email" ON "users" ("email")',
      ],
      mariadb: [
        "CREATE TABLE `users` (`id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, `email` varchar(255) DEFAULT '' NOT NULL, `encrypted_password` varchar(255) DEFAULT '' NOT NULL, `reset_password_token` varchar(255), `remember_created_at` datetime(6), `name` varchar(255), `admin` tinyint(1) DEFAULT FALSE NOT NULL, `locked_at` datetime(6), `created_at` datetime(6) NOT NULL, `updated_at` datetime(6) NOT NULL)",
        'CREATE UNIQUE INDEX `index_users_on_email` ON `users` (`email`)',
      ],
      postgres: [
        `CREATE TABLE "users" ("id" bigserial primary key, "email" character varying DEFAULT '' NOT NULL, "encrypted_password" character varying DEFAULT '' NOT NULL, "reset_password_token" character varying, "remember_created_at" timestamp(6), "name" character varying, "admin" boolean DEFAULT FALSE NOT NULL, "locked_at" timestamp(6), "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL)`,
        'CREATE UNIQUE INDEX "index_users_on_email" ON "users" ("email")',
      ],
    },
    users: {
      table: 'users',
      columns: {
        user_id: 'id',
        username: 'email',
        email: false,
        password: 'encrypted_password',
        display_name: 'name',
        is_super_user: 'admin',
        locked_time: 'locked_at',
      },
    },
    remedy: { timestamps: { created: 'created_at', updated: 'updated_at' } },
    found: ['created_at', 'updated_at'],
    row: { email: 'old@example.org', created_at: EARLIER, updated_at: EARLIER },
    touched: 'updated_at',
    attributes: { display_name: true },
  },

  Django: {
    statements: {
      sqlite: [
        'CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL)',
      ],
      mariadb: [
        'CREATE TABLE `auth_user` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `password` varchar(128) NOT NULL, `last_login` datetime(6) NULL, `is_superuser` bool NOT NULL, `username` varchar(150) NOT NULL UNIQUE, `first_name` varchar(150) NOT NULL, `last_name` varchar(150) NOT NULL, `email` varchar(254) NOT NULL, `is_staff` bool NOT NULL, `is_active` bool NOT NULL, `date_joined` datetime(6) NOT NULL)',
      ],
      postgres: [
        'CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "password" varchar(128) NOT NULL, "last_login" timestamp with time zone NULL, "is_superuser" boolean NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "first_name" varchar(150) NOT NULL, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" boolean NOT NULL, "is_active" boolean NOT NULL, "date_joined" timestamp with time zone NOT NULL)',
        'CREATE INDEX "auth_user_username_6821ab7c_like" ON "auth_user" ("username" varchar_pattern_ops)',
      ],
    },
    users: { table: 'auth_user', columns: { user_id: 'id', is_super_user: 'is_superuser' } },
    remedy: { timestamps: { created: 'date_joined' }, defaults: { is_staff: false } },
    found: ['is_staff', 'date_joined'],
    row: {
      username: 'old',
      first_name: 'Old',
      last_name: 'User',
      email: 'old@example.org',
      is_superuser: false,
      is_staff: false,
      is_active: true,
      date_joined: EARLIER,
    },
    touched: null,
    attributes: { first_name: false, last_name: false, email: false },
  },
}

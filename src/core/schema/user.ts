import type { OwnUser, OwnUserPatch, StoredUser } from './user.gen.ts'

/**
 * The host's own attributes, as types: declare them once and everything that names no other ones has them, `req.sso`
 * included. As with a type argument, members are the values of attributes, or `properties` of a schema literal:
 * `declare module 'express-sso-users' { interface HostAttributes { nickname: string | null } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: hosts add members to it, which a type alias cannot take
export interface HostAttributes {}

/**
 * An account as it is shown: secrets never, the attributes of super-users only to them.
 *
 * @typeParam Attrs types of the host's attributes, `{ nickname: string | null }`, or `typeof` a schema literal of them
 */
export type User<Attrs extends object = HostAttributes> = Flat<Omit<OwnUser, NameIn<Attrs>> & Shown<Known<Attrs>>>

/**
 * What an update may name. An absent key is not touched; null is stored as NULL.
 *
 * @typeParam Attrs as of `User`
 */
export type UserPatch<Attrs extends object = HostAttributes> = Flat<
  Omit<OwnUserPatch, NameIn<Attrs>> & Editable<Known<Attrs>>
>

/** One object type, as editors show it. */
type Flat<Type> = { [Name in keyof Type]: Type[Name] }

type Schema<Properties> = { readonly properties: Properties }

/** A schema that is not a literal says nothing of the attributes. */
type Known<Attrs> = Attrs extends Schema<infer P> ? (string extends keyof P ? HostAttributes : Attrs) : Attrs

type NameIn<Attrs> = Known<Attrs> extends Schema<infer P> ? keyof P : keyof Known<Attrs>

type Shown<Attrs> = Attrs extends Schema<infer P> ? ShownIn<P> : Readonly<Attrs>

type ShownIn<P> = {
  readonly [Name in keyof P as ReaderOf<Name, P[Name]> extends 'self' ? Name : never]: ValueOf<Name, P[Name]>
} & {
  readonly [Name in keyof P as ReaderOf<Name, P[Name]> extends 'super_user' ? Name : never]?: ValueOf<Name, P[Name]>
}

type Editable<Attrs> =
  Attrs extends Schema<infer P>
    ? {
        readonly [Name in keyof P as EditorOf<Name, P[Name]> extends 'nobody' ? never : Name]?: Sent<
          ValueOf<Name, P[Name]>
        >
      }
    : { readonly [Name in keyof Attrs as Name extends FixedName ? never : Name]?: Sent<Attrs[Name]> }

/** Our own attributes that nobody edits, whatever a host says of their values. */
type FixedName = Exclude<keyof StoredUser, keyof OwnUserPatch>

/** Times may be sent as text, too. */
type Sent<Value> = Date extends Value ? Value | string : Value

type RuleOf<Property, Rule extends string, Otherwise> = Property extends {
  readonly 'x-sso': { readonly [R in Rule]: infer Audience }
}
  ? Audience
  : Otherwise

type ReaderOf<Name, Property> =
  RuleOf<Property, 'secret', false> extends true ? 'nobody' : RuleOf<Property, 'readableBy', OwnReader<Name>>

type OwnReader<Name> = Name extends keyof OwnUser ? (undefined extends OwnUser[Name] ? 'super_user' : 'self') : 'nobody'

type EditorOf<Name, Property> = RuleOf<Property, 'editableBy', Name extends keyof OwnUserPatch ? 'self' : 'nobody'>

/** The values of an attribute: what its schema says, within what ours says of one of our own. */
type ValueOf<Name, Property> = Name extends keyof StoredUser ? Narrowed<StoredUser[Name], Property> : Stated<Property>

type Narrowed<Own, Property> = Property extends { readonly enum: readonly (infer Value)[] }
  ? Own & Value
  : null extends Stated<Property>
    ? Own
    : NonNullable<Own>

type Stated<Property> = Property extends { readonly enum: readonly (infer Value)[] }
  ? Value
  : Property extends { readonly type: infer Type }
    ? Json<Property>[(Type extends readonly (infer OneOf)[] ? OneOf : Type) & keyof Json<Property>]
    : unknown

/** What a value of each JSON Schema type is in code. */
interface Json<Property> {
  string: Property extends { readonly format: 'date-time' } ? Date : string
  integer: number
  number: number
  boolean: boolean
  object: Readonly<Record<string, unknown>>
  array: readonly unknown[]
  null: null
}

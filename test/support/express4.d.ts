// The same package under another name: its version 4, for the tests that run on both.
declare module 'express4' {
  import express from 'express'
  export default express
}

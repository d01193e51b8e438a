import { defineConfig } from 'vitest/config'
import { withoutPrograms } from './test/support/programs.ts'

// Files that replace modules: no other file may find those replaced.
const REPLACING = ['test/http/docs.test.ts', 'test/schemas.test.ts']

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        // The package and its libraries are loaded once a worker, not once a file: a fifth of the time.
        test: {
          name: 'together',
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: [...REPLACING, ...withoutPrograms()],
        },
      },
      { extends: true, test: { name: 'apart', include: REPLACING } },
    ],
  },
})

import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { withoutPrograms } from './test/support/programs.ts'

// Files that replace modules: no other file may find those replaced.
const REPLACING = ['test/http/docs.test.ts', 'test/schemas.test.ts']

// Those that take a minute and more. They come first: last, one of them would run alone.
const LONG = ['test/model/model.test.ts', 'test/package/consumers.test.ts', 'test/audit/processes.test.ts']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification) => LONG.findIndex((file) => moduleId.endsWith(file)) >>> 0
    return sorted.sort((one, other) => rank(one) - rank(other))
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
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

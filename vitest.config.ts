import { defineConfig } from "vitest/config";

// Tests run on source: the "@corenet/source" condition of every package's exports.
export default defineConfig({
  resolve: { conditions: ["@corenet/source"] },
  ssr: { resolve: { conditions: ["@corenet/source"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "tools/**/*.test.ts"],
    testTimeout: 60_000,
    pool: "forks",
  },
});

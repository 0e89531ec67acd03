import { configDefaults, defineConfig } from "vitest/config";
import { chromiumPath } from "./tools/test/chromium.ts";
import { currentTurn, NO_SIMD } from "./tools/testing/turn.ts";

// Tests run on source: the "@corenet/source" condition of every package's exports, also in workers that a test starts.
const conditions = ["@corenet/source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/{src,test}/**/*.test.ts", "tools/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...(chromiumPath() ? [] : ["**/*.browser.test.ts"])],
    execArgv: [
      ...conditions.map((condition) => `--conditions=${condition}`),
      ...(currentTurn().noSimd ? [NO_SIMD] : []),
    ],
    globalSetup: ["tools/testing/find-gpu.ts"],
    setupFiles: ["tools/testing/setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000, // some start a program; vitest would give them ten seconds
    pool: "forks",
  },
});

// The testing vocabulary. The matcher `toBeAllClose` comes by itself, through vitest.config.ts.
export type { AllCloseOptions, Expected } from "./all-close.ts";
export { broadcastPair, int32, oddSize, real, row, scale, shape, sizeOf, values } from "./arbitraries.ts";
export { describeBackend } from "./backend-suite.ts";
export { expectGradient, type GradientOptions } from "./expect-gradient.ts";
export { expectNoLeak } from "./expect-no-leak.ts";
export { type Golden, type GoldenTensor, loadGolden } from "./load-golden.ts";
export { type BackendName, backends, onBackend, onEveryBackend } from "./on-every-backend.ts";
export { runFirstExample } from "./run-first-example.ts";

// The testing vocabulary. The matcher `toBeAllClose` comes by itself, through vitest.config.ts.
export { broadcastPair, int32, oddSize, row, scale, shape, sizeOf, values } from "./arbitraries.ts";
export { describeBackend } from "./backend-suite.ts";
export { expectGradient } from "./expect-gradient.ts";
export { expectNoLeak } from "./expect-no-leak.ts";
export { loadGolden } from "./load-golden.ts";
export { backends, hasWebGpu, onBackend, onEveryBackend } from "./on-every-backend.ts";
export { type Asked, watchDevice } from "./watch-device.ts";

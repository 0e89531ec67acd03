// The kernels of the optimizer. Pure functions on addresses (bytes); arrays are f32. (begin, end) is the range of
// elements to do, so that threads can share the work.

export { sumSquares } from "../../tensor/assembly/reduce";
export { adamw } from "./adamw";
export { ema } from "./ema";

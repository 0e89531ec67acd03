export { type MovingAverageOptions, movingAverage } from "./moving-average.ts";

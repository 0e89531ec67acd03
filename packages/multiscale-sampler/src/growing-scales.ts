import { checkCount } from "./check.ts";
import { type VariableBatchOptions, variableBatchScales } from "./image-scales.ts";
import type { ImageScale } from "./scale.ts";
import { type Sides, toSides } from "./size.ts";

export interface GrowingScalesOptions extends VariableBatchOptions {
  /** Epochs at whose start the range grows; one that is listed twice counts twice. @default [40] */
  growAtEpochs?: readonly number[];
  /** The minimum becomes `min + trunc(min * factor)`: 1 doubles it, 0 leaves it. @default 1 */
  minFactor?: number;
  /** As `minFactor`, of the maximum. @default 1 */
  maxFactor?: number;
}

/**
 * MSc-VBS whose range grows at the listed epochs, as the reference's `scale_inc`; base and its batch stay. Unlike there
 * it is a function of the epoch alone, so a resumed run sees the same scales.
 *
 * @returns the scales of an epoch, for `createSampler`
 * @throws RangeError naming the option that cannot be
 */
export function growingScales(options: GrowingScalesOptions): (epoch: number) => ImageScale[] {
  const { growAtEpochs = [40], minFactor = 1, maxFactor = 1, minSize = 160, maxSize = 320 } = options;
  for (const epoch of growAtEpochs) checkCount("growingScales: growAtEpochs", epoch, 0, "Count from 0.");
  checkFactor("minFactor", minFactor);
  checkFactor("maxFactor", maxFactor);
  const min = toSides("growingScales: minSize", minSize);
  const max = toSides("growingScales: maxSize", maxSize);

  const scalesAt = (epoch: number) => {
    const times = growAtEpochs.filter((at) => at <= epoch).length;
    return variableBatchScales({
      ...options,
      minSize: grow(min, minFactor, times),
      maxSize: grow(max, maxFactor, times),
    });
  };
  scalesAt(Infinity); // a range that ends upside down says so now
  return scalesAt;
}

function grow({ height, width }: Sides, factor: number, times: number): Sides {
  let sides = { height, width };
  for (let i = 0; i < times; i++) {
    sides = {
      height: sides.height + Math.trunc(sides.height * factor),
      width: sides.width + Math.trunc(sides.width * factor),
    };
  }
  return sides;
}

function checkFactor(name: string, factor: number): void {
  if (factor >= 0 && factor < Infinity) return;
  throw new RangeError(`growingScales: ${name} is ${factor}, expected a number >= 0. Use 1 to double.`);
}

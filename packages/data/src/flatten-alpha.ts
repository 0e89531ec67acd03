/**
 * RGB from RGBA, as on white paper: `round((colour * alpha + 255 * (255 - alpha)) / 255)`.
 *
 * @param rgba - [..., 4], alpha not multiplied in
 * @returns [..., 3]
 */
export function flattenAlpha(rgba: Uint8Array | Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const alpha = rgba[from + 3] as number;
    const paper = 255 * (255 - alpha) + 127; // 127 rounds
    for (let c = 0; c < 3; c++) {
      const colour = rgba[from + c] as number;
      rgb[to + c] = alpha === 255 ? colour : ((colour * alpha + paper) / 255) | 0;
    }
  }
  return rgb;
}

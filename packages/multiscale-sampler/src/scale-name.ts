/** The name of a scale: "224 x 224", "224 x 224 x 8 frames", or "512 tokens". */
export function scaleName(scale: object): string {
  if ("length" in scale) return `${scale.length} tokens`;
  if (!("height" in scale && "width" in scale)) return JSON.stringify(scale);
  const frames = "frames" in scale ? ` x ${scale.frames} frames` : "";
  return `${scale.height} x ${scale.width}${frames}`;
}

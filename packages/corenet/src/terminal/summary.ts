import { describeSaving } from "../run/window-saving.ts";
import { scaleShares } from "../run/window-scales.ts";
import type { TextRun } from "../train-text-model.ts";
import { bytesText } from "./bytes-text.ts";
import type { Paint } from "./colors.ts";
import { formatDuration } from "./duration.ts";

/** What came out of a run, and where it lies, for people. */
export function summarize({ paths, result, settings }: TextRun, paint: Paint): string {
  const { heldOut } = result;
  const lengths = scaleShares(settings.training.sequences).map(({ length }) => length);
  const rows: [name: string, bits: number][] = [
    ["this model", heldOut.model],
    ...result.compressed.map(({ bits, bitsPerByte }): [string, number] => [`in ${bits} bits`, bitsPerByte]),
    ["gzip -9", heldOut.gzip],
    ["brotli 11", heldOut.brotli],
  ];
  const best = Math.min(...rows.map(([, bits]) => bits));
  const table = rows.map(([name, bits]) => {
    const line = `  ${name.padEnd(12)}${bits.toFixed(3).padStart(6)}`;
    return bits === best ? paint("green", line) : line;
  });
  return [
    paint("bold", `bits per byte of ${heldOut.bytes} held-out bytes`),
    ...table,
    "",
    `${settings.training.steps} steps in ${formatDuration(1000 * result.seconds)}, ` +
      `${Math.round(result.tokensPerSecond)} tokens/s`,
    `windows of ${lengths.join(", ")} bytes: ${describeSaving(result.windows)}`,
    ...(result.compressed.length > 0 ? [`weights: ${sizes(result)}`] : []),
    `model   ${paths.model} (reloaded: the same logits, bit for bit)`,
    `report  ${paths.report}`,
  ].join("\n");
}

/** Of the saved weights, and of the compressed ones beside them. */
function sizes({ fileBytes, compressed }: TextRun["result"]): string {
  const small = compressed.map((one) => `${bytesText(one.fileBytes)} in ${one.bits} bits`);
  return [`${bytesText(fileBytes)} in 32 bits`, ...small].join(", ");
}

import { decodeBfloat16, decodeFloat16, FormatError } from "@corenet/core";
import type { ReadOptions, TensorFile } from "@corenet/formats";
import type { ReadWeights } from "../codec/block-run.ts";
import type { SourceDtype } from "../codec/lfsr-tensor.ts";

/**
 * Reads the weights of a tensor from first to last, widened to float32, without holding more than a piece of it.
 *
 * @throws FormatError when a weight is not finite: it names tensor and index
 */
export function weightReader(
  file: TensorFile,
  name: string,
  dtype: SourceDtype,
  options: ReadOptions,
): ReadWeights {
  const pieces = file.pieces(name, options);
  let piece = new Float32Array(0);
  let taken = 0; // of the piece
  let position = 0; // in the tensor
  return async (first, into) => {
    if (first !== position)
      throw new Error(`weightReader: asked for ${first}, expected ${position}. Read in order.`);
    for (let filled = 0; filled < into.length; ) {
      if (taken === piece.length) {
        const next = await pieces.next();
        if (next.done)
          throw new Error(`weightReader: ${name} ended at ${position}. Ask for no more than it has.`);
        piece = widen(next.value as Uint8Array<ArrayBuffer>, dtype, piece);
        taken = 0;
      }
      const part = piece.subarray(taken, taken + into.length - filled);
      into.set(part, filled);
      filled += part.length;
      taken += part.length;
      position += part.length;
    }
    const bad = into.findIndex((w) => !Number.isFinite(w));
    if (bad < 0) return;
    throw new FormatError(
      `compressCheckpoint: weight ${first + bad} of ${name} is ${into[bad]}, expected a finite number. ` +
        "Mend the checkpoint, or exclude the tensor.",
      { file: file.tensors.get(name)?.file ?? "", tensor: name },
    );
  };
}

/** The numbers in some bytes, as float32: in place, or in `spare` where it is long enough. */
function widen(
  { buffer, byteOffset, length }: Uint8Array<ArrayBuffer>,
  dtype: SourceDtype,
  spare: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  if (dtype === "F32") return new Float32Array(buffer, byteOffset, length / 4);
  const halves = new Uint16Array(buffer, byteOffset, length / 2);
  const into = spare.length >= halves.length ? spare.subarray(0, halves.length) : undefined;
  return dtype === "F16" ? decodeFloat16(halves, into) : decodeBfloat16(halves, into);
}

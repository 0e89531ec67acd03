import { checkDType, checkShape, type Tensor4D } from "@corenet/tensor";
import { type DocumentStarts, firstsOfDocuments } from "./documents.ts";
import { attentionOp } from "./kernels/attention/op.ts";

export interface AttentionOptions {
  /** Query t of T sees the keys up to S − T + t: the queries are the last T of S positions. @default false */
  causal?: boolean;
  /** How many of the keys count, when they lie in a buffer with room to grow. @default all */
  length?: number;
  /** The first key of each row that counts; earlier ones are padding. @default 0 for all */
  validFrom?: readonly number[];
  /** Where the documents of each row begin among the keys: a query sees its own alone. Causal only. @default one a row */
  documents?: DocumentStarts;
}

/**
 * Scaled dot-product attention: `softmax(q kᵀ / √d + mask) v`, with grouped queries: query head h reads key-value head
 * ⌊h / (H / Hkv)⌋, and no key is copied for it.
 *
 * @param q - queries [B, H, T, d]
 * @param k - keys [B, Hkv, S, d]; Hkv divides H
 * @param v - values [B, Hkv, S, d]
 * @returns one value per query [B, H, T, d]; zeros where a query sees no key
 * @throws ShapeError when keys or values do not fit the queries; RangeError when Hkv does not divide H
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. 1; Ainslie et al. 2023, arXiv:2305.13245
 */
export function attention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: AttentionOptions = {}): Tensor4D {
  const { causal = false, validFrom, documents } = options;
  const [B, H, T, d] = q.shape;
  const [, Hkv, capacity] = k.shape;
  const length = options.length ?? capacity;
  checkDType("attention: q", q, "float32");
  checkShape("attention: k", k, [B, Hkv, capacity, d], "Batch and head width must be those of the queries.");
  checkShape("attention: v", v, [B, Hkv, capacity, d], "Keys and values come in pairs.");
  if (validFrom && validFrom.length !== B) {
    throw new RangeError(
      `attention: validFrom has ${validFrom.length} starts, expected one for each of ${B} rows.`,
    );
  }
  if (validFrom && !validFrom.every((start) => Number.isInteger(start) && start >= 0)) {
    throw new RangeError(
      `attention: validFrom is [${validFrom.join(", ")}], expected integers of at least 0.`,
    );
  }
  if (!(Hkv > 0 && H % Hkv === 0)) {
    throw new RangeError(
      `attention: ${H} query heads share ${Hkv} key-value heads, expected a divisor of ${H}.`,
    );
  }
  if (!(Number.isInteger(length) && length >= 1 && length <= capacity && (!causal || length >= T))) {
    throw new RangeError(
      `attention: length is ${length}, expected 1 to ${capacity}${causal ? ` and no fewer than the ${T} queries` : ""}.`,
    );
  }
  if (documents && (validFrom || !causal)) {
    throw new RangeError(
      `attention: got documents ${validFrom ? "and validFrom" : "without causal: true"}, expected causal attention without ` +
        "padding in front. Pack rows from their beginning.",
    );
  }
  const firsts = documents && firstsOfDocuments("attention", documents, { rows: B, length });
  const ofQueries = firsts && T < length ? firsts.filter((_, i) => i % length >= length - T) : firsts; // [B, T]
  const firstKeys = ofQueries ?? validFrom;
  const [y, lse] = attentionOp([q, k, v], { causal, length, ...(firstKeys && { validFrom: firstKeys }) });
  lse.dispose();
  return y;
}

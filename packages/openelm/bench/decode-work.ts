// The work that both engines do.

/** Tokens that are read in a prefill. */
export const PROMPT: readonly number[] = Array.from({ length: 512 }, (_, i) => 3 + ((i * 7919) % 31_000));
/** Tokens that a run of decoding makes, on top of as many. */
export const NEW_TOKENS = 16;
/** Positions of the cache. */
export const CONTEXT = 512;

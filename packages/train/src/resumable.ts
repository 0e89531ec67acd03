/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Something that goes on after a restart where it was. */
export interface Resumable {
  /** Where it stands, as plain JSON. */
  save(): Json;
  /** Goes back to where `save` was called, in another process, too. */
  restore(saved: Json): void;
}

/** Where training takes its batches from: endless, and always the same batches from one saved position on. */
export interface BatchSource<B> extends Resumable {
  /**
   * The next batch. Given away: `train` frees the tensors in it after the step. The position that `save` tells is the
   * one after this batch, however many the source has prepared ahead.
   */
  next(): B | Promise<B>;
}

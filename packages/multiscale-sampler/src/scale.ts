/** What a batch has to say beside its indices. Images, videos and texts add their own fields. */
export interface Scale {
  /** Samples in a batch of this scale. */
  readonly batchSize: number;
}

/** A size of images. */
export interface ImageScale extends Scale {
  /** pixels */
  readonly height: number;
  /** pixels */
  readonly width: number;
}

/** A length of texts. */
export interface SequenceScale extends Scale {
  /** tokens */
  readonly length: number;
}

/** A size of videos. */
export interface VideoScale extends ImageScale {
  /** Frames in a clip. */
  readonly frames: number;
  /** Clips from each video. */
  readonly clips: number;
}

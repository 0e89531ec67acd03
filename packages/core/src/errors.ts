// What a caller may want to catch and survive. Wrong arguments are RangeError, TypeError or ShapeError: those are
// mistakes in the program, so ShapeError is a RangeError and not a CorenetError.

/** Options of every error here: `cause` is the error underneath, kept as it came. */
export interface CorenetErrorOptions {
  cause?: unknown;
}

/**
 * Base of the errors that a program may survive. `name` and `code` are stable: they hold in minified code and when
 * two copies of this package are loaded, where `instanceof` does not.
 */
export class CorenetError extends Error {
  override readonly name: string = "CorenetError";
  readonly code: string = "CORENET";

  constructor(message: string, options: CorenetErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
  }
}

/** An array has the wrong shape. A wrong argument, hence a RangeError. */
export class ShapeError extends RangeError {
  override readonly name = "ShapeError";
  readonly code = "CORENET_SHAPE";

  constructor(message: string, options: CorenetErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
  }
}

/** No backend starts, or one stops working. */
export class BackendError extends CorenetError {
  override readonly name: string = "BackendError";
  override readonly code: string = "CORENET_BACKEND";
}

/** The GPU went away: its driver crashed or was reset, or the browser took it back. Start the backend again. */
export class DeviceLostError extends BackendError {
  override readonly name = "DeviceLostError";
  override readonly code = "CORENET_DEVICE_LOST";
}

/** The GPU refused a command, which it says only later: results since the last read are not to be trusted. */
export class GpuError extends BackendError {
  override readonly name = "GpuError";
  override readonly code = "CORENET_GPU";
}

/** A device or a heap has no room. Free tensors, or use smaller batches. */
export class OutOfMemoryError extends CorenetError {
  override readonly name = "OutOfMemoryError";
  override readonly code = "CORENET_OUT_OF_MEMORY";
  /** What was asked for, where it is known. */
  readonly requestedBytes: number | undefined;

  constructor(message: string, options: CorenetErrorOptions & { requestedBytes?: number } = {}) {
    super(message, options);
    this.requestedBytes = options.requestedBytes;
  }
}

/** A file or a URL cannot be reached, read or written: missing, no permission, disk full, connection cut. */
export class IoError extends CorenetError {
  override readonly name = "IoError";
  override readonly code = "CORENET_IO";
  /** The path or URL as the caller gave it. */
  readonly path: string;

  constructor(message: string, options: CorenetErrorOptions & { path: string }) {
    super(message, options);
    this.path = options.path;
  }
}

/** A file was read, but its bytes are not what its format says. */
export class FormatError extends CorenetError {
  override readonly name = "FormatError";
  override readonly code = "CORENET_FORMAT";
  /** Name of the file. */
  readonly file: string | undefined;
  /** Name of the tensor at fault, where there is one. */
  readonly tensor: string | undefined;

  constructor(message: string, options: CorenetErrorOptions & { file?: string; tensor?: string } = {}) {
    super(message, options);
    this.file = options.file;
    this.tensor = options.tensor;
  }
}

/** The files of a checkpoint contradict each other, are incomplete, or do not fit the model. */
export class CheckpointError extends CorenetError {
  override readonly name = "CheckpointError";
  override readonly code = "CORENET_CHECKPOINT";
  /** Folder or file of the checkpoint, where it is known. */
  readonly path: string | undefined;

  constructor(message: string, options: CorenetErrorOptions & { path?: string } = {}) {
    super(message, options);
    this.path = options.path;
  }
}

/** Training met NaN or infinity. */
export class NonFiniteError extends CorenetError {
  override readonly name = "NonFiniteError";
  override readonly code = "CORENET_NON_FINITE";
  /** The step that met it, counted from 0. */
  readonly step: number;
  /** Path of the first parameter at fault, such as `layers.3.ffn.weight`; undefined when it is the loss itself. */
  readonly parameter: string | undefined;

  constructor(message: string, options: CorenetErrorOptions & { step: number; parameter?: string }) {
    super(message, options);
    this.step = options.step;
    this.parameter = options.parameter;
  }
}

import type { RunningBackend } from "./backend.ts";

/** What the start of a backend needs to know of an op. */
export interface DeclaredOp {
  readonly name: string;
  hasKernel(backend: RunningBackend): boolean;
  /** Loads the op's kernel for this backend, once; does nothing where there is none. */
  load(backend: RunningBackend): Promise<void>;
}

const declared: DeclaredOp[] = [];

export function declareOp(op: DeclaredOp): void {
  declared.push(op);
}

export async function loadKernelsOf(backend: RunningBackend): Promise<void> {
  await Promise.all(declared.map((op) => op.load(backend)));
}

export function namesWithoutKernel(backend: RunningBackend): string[] {
  return declared.filter((op) => !op.hasKernel(backend)).map((op) => op.name);
}

/** What the page asks of its worker. */
export type Request =
  | { readonly type: "train"; readonly text: string; readonly backend: BackendName; readonly steps: number }
  | {
      readonly type: "generate";
      readonly prompt: string;
      readonly temperature: number;
      readonly bytes: number;
    }
  | { readonly type: "stop" };

/** What the worker tells the page. */
export type Reply =
  | {
      readonly type: "started";
      readonly backend: string;
      /** Why each backend before it did not start. */
      readonly reasons: readonly string[];
      readonly threads: number;
      readonly parameters: number;
      readonly textBytes: number;
    }
  | { readonly type: "step"; readonly step: number; readonly bits: number; readonly bytesPerSecond: number }
  | { readonly type: "held-out"; readonly step: number; readonly bits: number }
  | { readonly type: "trained"; readonly step: number; readonly stopped: boolean }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "generated" }
  | { readonly type: "failed"; readonly message: string };

export const backendNames = ["wasm", "webgpu", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

/** Of the curve: the loss of a step, in bits per byte. */
export interface Point {
  readonly step: number;
  readonly bits: number;
}

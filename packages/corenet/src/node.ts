// What needs files and folders, and so Node. The rest is in index.ts and runs everywhere.
export { writeReport } from "./report/write-report.ts";
export type { OnRunEvent, RunEvent, StepFacts } from "./run/events.ts";
export type { PlanOptions } from "./run/plan-run.ts";
export type { RunCurve, RunResult } from "./run/result.ts";
export type { RunPaths } from "./run/run-folder.ts";
export type { ModelSettings, RunSettings, TextSettings, TrainingSettings } from "./run/settings.ts";
export { type CompressedBits, compressedBits } from "./text/compressed-bits.ts";
export { readText, type Text, type TextSource } from "./text/read-text.ts";
export { type TextRun, type TrainTextOptions, trainTextModel } from "./train-text-model.ts";

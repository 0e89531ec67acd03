import {
  type LanguageModel,
  type OpenLanguageModelOptions,
  openLanguageModel,
} from "../model/open-language-model.ts";
import { workLine } from "../terminal/work-line.ts";

/** `openLanguageModel` that shows on the error output how far download and loading are. */
export async function openForWork(
  from: string,
  options: Omit<OpenLanguageModelOptions, "onProgress">,
): Promise<LanguageModel> {
  const line = workLine(process.stderr);
  try {
    return await openLanguageModel(from, { ...options, onProgress: line.onProgress });
  } finally {
    line.clear();
  }
}

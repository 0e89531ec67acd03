import type { ArgsDef } from "citty";
import { UsageError } from "./usage-error.ts";

/** Options of every command. */
export const commonOptions = {
  debug: { type: "boolean", description: "Show where in the code an error comes from." },
} as const satisfies ArgsDef;

/**
 * Refuses what the parser lets pass: options that do not exist, words that are no option, and options without a value.
 * Where there is --model, a first word stands for it.
 *
 * @throws UsageError naming the first of them
 */
export function checkOptions(
  args: Readonly<Record<string, unknown>> & { _: string[] },
  defined: ArgsDef,
): void {
  const names = Object.keys(defined);
  const known = new Set(["_", ...names, ...names.map(camelCase)]);
  for (const [name, value] of Object.entries(args)) {
    if (!known.has(name)) {
      const listed = names.map((one) => `--${one}`).join(", ");
      throw new UsageError(`there is no option ${name.length > 1 ? "--" : "-"}${name}, expected ${listed}.`);
    }
    if (value === "") throw new UsageError(`--${name} has no value, expected one: --${name}=VALUE.`);
  }
  const isModelNamed = !("model" in defined) || args.model !== undefined;
  const unexpected = args._[isModelNamed ? 0 : 1];
  if (unexpected !== undefined) {
    throw new UsageError(`got "${unexpected}", expected options only. Put text with blanks into quotes.`);
  }
}

/** An option's number, or undefined where it was not given. @throws UsageError when it is none */
export function numberOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new UsageError(`--${name} is "${text}", expected a number.`);
}

/** As `numberOption`, above 0. */
export function positiveOption(name: string, text: string | undefined): number | undefined {
  const value = numberOption(name, text);
  if (value === undefined || value > 0) return value;
  throw new UsageError(`--${name} is ${value}, expected a number above 0.`);
}

/** As `numberOption`, a whole number. */
export function integerOption(name: string, text: string | undefined): number | undefined {
  const value = numberOption(name, text);
  if (value === undefined || Number.isSafeInteger(value)) return value;
  throw new UsageError(`--${name} is ${text}, expected a whole number.`);
}

/** An option's word, or undefined where it was not given. @throws UsageError when it is none of `words` */
export function choiceOption<W extends string>(
  name: string,
  text: string | undefined,
  words: readonly W[],
): W | undefined {
  if (text === undefined) return undefined;
  const word = words.find((one) => one === text);
  if (word !== undefined) return word;
  throw new UsageError(`--${name} is "${text}", expected ${words.join(", ")}.`);
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

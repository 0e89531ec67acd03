import { type ParamTree, treeEntries } from "@corenet/tensor";
import type { ParamGroup } from "./param-groups.ts";

/**
 * A group that freezes what the patterns name: no gradient, no moments, no update, and what only leads to frozen
 * parameters is not kept for the way back. A pattern is the beginning of a path, in whole parts between dots; `*` stands
 * for any characters of a part, `0-3` for the numbers 0 to 3: `token_embeddings`, `layers.0-3`, `layers.*.attn`, `*norm`.
 *
 * @param params - the tree that is trained: it must hold each pattern
 * @throws RangeError naming a pattern that is empty or names nothing
 */
export function freeze(patterns: readonly string[], params: ParamTree): ParamGroup {
  const isFrozen = matchPaths("freeze", patterns, params);
  return { match: isFrozen, learningRateScale: 0 };
}

/** Whether a path begins with one of the patterns, as `freeze` reads them. @throws RangeError likewise */
export function matchPaths(
  who: string,
  patterns: readonly string[],
  params: ParamTree,
): (path: string) => boolean {
  const paths = Array.from(treeEntries(params), ([path]) => path);
  const tests = patterns.map((pattern) => {
    const parts = pattern.split(".").map(partTest);
    const test = (path: string) => {
      const found = path.split(".");
      return parts.length <= found.length && parts.every((matches, i) => matches(found[i] as string));
    };
    if (!paths.some(test)) {
      const first = [...new Set(paths.map((path) => path.split(".")[0]))].join(", ");
      throw new RangeError(
        `${who}: nothing is named "${pattern}", expected the beginning of a path of the parameters, which start with ${first}.`,
      );
    }
    return test;
  });
  return (path) => tests.some((test) => test(path));
}

function partTest(part: string): (found: string) => boolean {
  const range = /^(\d+)-(\d+)$/.exec(part);
  if (range) {
    const [least, most] = [Number(range[1]), Number(range[2])];
    return (found) => /^\d+$/.test(found) && Number(found) >= least && Number(found) <= most;
  }
  const pieces = part.split("*").map((piece) => piece.replace(/[$()+.?[\\\]^{|}]/g, "\\$&"));
  const expression = new RegExp(`^${pieces.join(".*")}$`);
  return (found) => expression.test(found);
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../test/outcome.ts";
import { runProgram } from "../testing/run-program.ts";

/** What each program of a guide prints, where that is known; `null` for one that a bundler alone can run. */
const guides: Record<string, readonly (string | RegExp | null)[]> = {
  "getting-started": [/./, "true true\n", "392 images of 128 x 128\n"],
  architecture: [""],
  backends: ["true 11\n", null],
  memory: ["14\nFloat32Array(3) [ 1, 2, 3 ]\n0\n", "true\n0\n"],
};

describe.each(Object.entries(guides))("%s", (name, printed) => {
  const guide = readFileSync(join(root, `docs/${name}.md`), "utf8");
  const programs = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);

  test("has the programs that are run here", () => {
    expect(programs.length).toBe(printed.length);
  });

  const run = printed.flatMap((output, i) => (output === null ? [] : [{ number: i + 1, output }]));
  test.each(run)("program $number does what it says", async ({ number, output }) => {
    const said = await runProgram(programs[number - 1] as string, {
      cwd: join(root, "packages/corenet"), // which has them all
      name: `program ${number} of docs/${name}.md`,
    });
    if (typeof output === "string") expect(said).toBe(output);
    else expect(said).toMatch(output);
  });
});

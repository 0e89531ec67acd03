import { fileURLToPath } from "node:url";
import type { Bench, Contender } from "../../../tools/bench/harness.ts";
import { nx, run } from "../../../tools/test/outcome.ts";

const script = fileURLToPath(new URL("startup-process.mjs", import.meta.url));

const bench: Bench = {
  name: "startup",
  description:
    "From import to the first result read, in a new Node process each time: our built packages with one thread against " +
    "tfjs-core and tfjs-backend-wasm 4.22.0.",

  async run({ compare }) {
    const build = await nx(["run", "@corenet/backend-wasm:build"]);
    if (build.code !== 0) throw new Error(`startup: the build failed.\n${build.output}`);
    await compare({
      name: "import, start, add two numbers, read",
      ours: starter("ours"),
      peers: [starter("tfjs")],
      rounds: 15,
    });
  },
};

/** @param name - as the script calls it */
function starter(name: "ours" | "tfjs"): Contender {
  return {
    name,
    async run() {
      const { code, output } = await run(process.execPath, [script, name], {
        cwd: fileURLToPath(new URL(".", import.meta.url)),
      });
      const line = output.trimEnd().split("\n").at(-1) ?? ""; // tfjs greets first
      if (code !== 0) throw new Error(`startup: ${name} ended with ${code}.\n${output}`);
      const { ms, result }: { ms: number; result: number[] } = JSON.parse(line);
      if (result.join() !== "2,3") throw new Error(`startup: ${name} computed ${result}, expected 2,3.`);
      return ms;
    },
  };
}

export default bench;

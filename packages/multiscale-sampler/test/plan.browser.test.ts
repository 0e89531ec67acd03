import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createChainSampler, createSampler, curriculumScales, Rng } from "@corenet/multiscale-sampler";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { chromiumPath } from "../../../tools/test/chromium.ts";

/** Runs here and, as source text, in a page. */
const planOf = (m: {
  createChainSampler: typeof createChainSampler;
  createSampler: typeof createSampler;
  curriculumScales: typeof curriculumScales;
  Rng: typeof Rng;
}) => {
  const scales = m.curriculumScales({ baseSize: 224, baseBatch: 8, epochs: 20, shape: "cosine" });
  const one = m.createSampler({ samples: 500, scales, random: new m.Rng("two machines") });
  const two = m.createSampler({ samples: 90, scales, repeats: 3, random: new m.Rng(7) });
  const chain = m.createChainSampler({ tasks: { one, two }, mode: "interleave" });
  return JSON.stringify(
    [0, 5, 13].flatMap((epoch) =>
      Array.from(chain.epoch(epoch), ({ indices, ...batch }) => ({ ...batch, indices: [...indices] })),
    ),
  );
};

test("a browser plans what Node plans", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import * as m from "@corenet/multiscale-sampler";
        document.body.textContent = (${planOf})(m);`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    conditions: ["@corenet/source"],
    bundle: true,
    format: "iife",
    write: false,
  });
  const folder = await mkdtemp(join(tmpdir(), "plan-"));
  try {
    const page = join(folder, "plan.html");
    await writeFile(page, `<body><script>${outputFiles[0]?.text}</script></body>`);
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${folder}`, "--dump-dom"];
    const { stdout } = await promisify(execFile)(chromiumPath() ?? "", [...flags, `file://${page}`], {
      maxBuffer: 2 ** 26,
    });
    expect(/<body>(.*)<\/body>/s.exec(stdout)?.[1]).toBe(
      planOf({ createChainSampler, createSampler, curriculumScales, Rng }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

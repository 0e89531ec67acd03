import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Application } from "typedoc";
import layers from "../checks/layers.json" with { type: "json" };
import { root } from "../test/outcome.ts";

/** Options of typedoc-plugin-markdown, which TypeDoc's own types do not know. */
const markdown = {
  ...{
    entryFileName: "index",
    outputFileStrategy: "modules",
    flattenOutputFiles: true,
    hideBreadcrumbs: true,
  },
  ...{ hidePageHeader: true, useCodeBlocks: true, expandObjects: true, parametersFormat: "table" },
};

/** Writes docs/api from the docstrings of every package: a page for each entry point, and an index. */
export async function writeApi(): Promise<void> {
  const entries = entryPoints();
  const out = join(root, "docs/api");
  const app = await Application.bootstrapWithPlugins({
    ...{ name: "API reference", readme: "none", plugin: ["typedoc-plugin-markdown"], logLevel: "Error" },
    ...{ entryPoints: [...entries.keys()], tsconfig: join(root, "tsconfig.json"), skipErrorChecking: true },
    ...{ excludePrivate: true, excludeInternal: true, excludeExternals: true, disableSources: true },
    ...{ sort: ["kind", "alphabetical"], sortEntryPoints: false },
    outputs: [{ name: "markdown", path: out }],
    ...markdown,
  });
  const project = await app.convert();
  if (!project) throw new Error("writeApi: TypeDoc found nothing to describe. Its errors are above.");

  // TypeDoc calls a module by its path; a reader knows it by what they import.
  const names = [...entries.values()];
  for (const [i, module] of (project.children ?? []).entries()) module.name = names[i] ?? module.name;

  rmSync(out, { recursive: true, force: true });
  await app.generateOutputs(project);
  if (app.logger.hasErrors()) throw new Error("writeApi: TypeDoc reports errors, above.");
  for (const file of globSync("*.md", { cwd: out })) {
    const path = join(out, file);
    writeFileSync(path, escapeTags(readFileSync(path, "utf8")));
  }
}

/** Source of each entry point, and the name that it is imported by; the lower layers, where things are defined, first. */
function entryPoints(): Map<string, string> {
  const layerOf = (path: string) => (layers as Record<string, number>)[basename(dirname(path))] ?? 0;
  const paths = globSync("packages/*/package.json", { cwd: root }).sort();
  const entries = new Map<string, string>();
  for (const path of paths.sort((a, b) => layerOf(a) - layerOf(b))) {
    const { name, exports } = JSON.parse(readFileSync(join(root, path), "utf8"));
    for (const [subpath, conditions] of Object.entries<Record<string, string> | string>(exports)) {
      if (typeof conditions === "string") continue; // a script, with nothing to import
      entries.set(join(root, dirname(path), conditions["@corenet/source"] ?? ""), name + subpath.slice(1));
    }
  }
  return entries;
}

/** `vec4<f32>` of a docstring is text, and no tag of Vue's, for which VitePress would take it outside of code. */
function escapeTags(page: string): string {
  const code = /(^```.*?^```$|`[^`\n]*`)/gms; // split keeps it at the odd places
  return page
    .split(code)
    .map((part, i) =>
      i % 2 === 1 ? part : part.replace(/<(?!br)/g, "&lt;").replaceAll("{{", "&#123;&#123;"),
    )
    .join("");
}

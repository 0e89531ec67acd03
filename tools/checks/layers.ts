// `node tools/checks/layers.ts`: the layer check of this repository. Prints every violation; exit code 1 if any.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkLayers, type LayerTable } from "./layer-rules.ts";

const root = join(import.meta.dirname, "../..");
const table: LayerTable = JSON.parse(readFileSync(join(import.meta.dirname, "layers.json"), "utf8"));
const violations = checkLayers(root, table);

for (const violation of violations) console.error(violation);
if (violations.length > 0) {
  console.error(
    `layers: found ${violations.length} violations, expected none. DESIGN says who may import whom.`,
  );
  process.exitCode = 1;
}

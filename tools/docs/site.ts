// `npm run docs`: the site while you write it. `npm run docs:build`: the site as files, in docs/.vitepress/dist; a link
// that leads nowhere fails it. Both write the API reference first. `npm run docs:preview`: those files, served.
import { join } from "node:path";
import { root, run } from "../test/outcome.ts";
import { writeApi } from "./api.ts";
import { serveSite } from "./serve-site.ts";

const [command, ...rest] = process.argv.slice(2);
if (command !== "dev" && command !== "build" && command !== "preview") {
  throw new Error(`site: got the command ${command}, expected dev, build or preview.`);
}
if (command === "preview") {
  const { origin } = await serveSite({ isolated: true }); // VitePress's own preview sends no headers
  console.log(`${origin}/ until Ctrl-C`);
} else {
  await writeApi();
  const vitepress = join(root, "node_modules/vitepress/bin/vitepress.js");
  const { code } = await run(process.execPath, [vitepress, command, "docs", ...rest], { show: true });
  process.exitCode = code;
}

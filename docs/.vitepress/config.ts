import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { defineConfig } from "vitepress";

const docs = join(import.meta.dirname, "..");
const titleOf = (file: string) => /^# (.*)$/m.exec(readFileSync(join(docs, file), "utf8"))?.[1] ?? file;

/** Pages of a folder, under their own titles. */
function pagesOf(folder: string) {
  return globSync(`${folder}/*.md`, { cwd: docs })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => basename(path) !== "index.md")
    .sort()
    .map((path) => ({ text: titleOf(path), link: `/${path.replace(/\.md$/, "")}` }));
}

/** The guides, in the order of reading. */
const guides = ["getting-started", "playground", "backends", "browser", "memory", "performance"]
  .filter((name) => existsSync(join(docs, `${name}.md`)))
  .map((name) => ({ text: titleOf(`${name}.md`), link: `/${name}` }));

// What lets a page share memory between threads; a page that is served without them gets one thread.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

// Pages of the site run the packages' sources, as tests do.
const conditions = ["@corenet/source"];

export default defineConfig({
  title: "corenet for JavaScript",
  description: "Methods from Apple's CoreNet research as npm packages, for Node and the browser.",
  cleanUrls: true,
  lastUpdated: false,
  head: [["link", { rel: "icon", href: "data:," }]],
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      {
        text: "Guide",
        link: "/getting-started",
        activeMatch: "^/(getting|arch|back|brow|mem|perf|contr|dec)",
      },
      { text: "Playground", link: "/playground" },
      ...(existsSync(join(docs, "api/index.md"))
        ? [{ text: "API", link: "/api/", activeMatch: "^/api" }]
        : []),
    ],
    sidebar: {
      "/api/": [{ text: "API reference", link: "/api/", items: pagesOf("api") }],
      "/": [
        {
          text: "Use it",
          items: [...guides, { text: "API reference", link: "/api/" }],
        },
        {
          text: "How it is made",
          items: [
            { text: "Architecture", link: "/architecture" },
            { text: "Contributing", link: "/contributing" },
          ],
        },
        { text: "Decisions", link: "/decisions/", collapsed: true, items: pagesOf("decisions") },
      ],
    },
  },
  vite: {
    resolve: { conditions },
    server: { headers },
    preview: { headers },
    build: { target: "es2022", chunkSizeWarningLimit: 800 },
    optimizeDeps: { exclude: ["@corenet/core"] },
    worker: { format: "es" },
  },
});

import { expect, test } from "vitest";
import { isRepositoryText, isWritten } from "./text-paths.ts";

test("takes docs and sources of the repository", () => {
  const paths = [
    "README.md",
    "packages/nn/src/rope.ts",
    "tools/boot.mjs",
    "docs/decisions/a.md",
    "packages/nn/package.json",
  ];
  expect(paths.filter(isRepositoryText)).toEqual(paths);
});

test("leaves out what nobody wrote, and what is no text of ours", () => {
  const paths = [
    ...[
      "package-lock.json",
      "packages/nn/package-lock.json",
      "tools/yarn.lock",
      "packages/nn/pnpm-lock.yaml",
    ],
    ...["golden/openelm/tiny.md", "packages/nn/src/generated/kernels-simd.ts", "packages/nn/dist/index.ts"],
    ...[
      "packages/nn/node_modules/x/index.ts",
      ".github/x.md",
      "packages/.cache/x.ts",
      "packages/nn/src/a.wasm",
    ],
    ...["src/index.ts", "tsconfig.json"],
  ];
  expect(paths.filter(isRepositoryText)).toEqual([]);
});

test("takes any written file of a user's folder, whatever its ending", () => {
  const paths = [
    "a.txt",
    "b",
    "chapter/1.tex",
    ".hidden",
    "package-lock.json",
    "x/node_modules/y.txt",
    "flock.md",
  ];
  expect(paths.filter(isWritten)).toEqual(["a.txt", "b", "chapter/1.tex", "flock.md"]);
});

import { wasm } from "@corenet/backend-wasm";
import { useBackend } from "@corenet/tensor";
import { expect, test } from "vitest";
import simd from "../src/generated/kernels-simd.ts";

test("without relaxed SIMD every kernel comes in its plain build", async () => {
  const { wasm: host } = await useBackend(wasm({ relaxedSimd: false }));
  const taken: string[] = [];
  const build = (name: string) => async () => {
    taken.push(name);
    return { default: simd };
  };
  await host?.compile({ relaxed: build("relaxed"), simd: build("simd") });
  expect(taken).toEqual(["simd"]);
});

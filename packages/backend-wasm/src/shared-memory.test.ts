import { describe, expect, test } from "vitest";
import { fromBase64 } from "./binary.ts";
import kernels from "./generated/kernels-simd.ts";
import tfjs from "./generated/tfjs-simd.ts";
import { declareShared } from "./shared-memory.ts";

const link = (bytes: Uint8Array<ArrayBuffer>, shared: boolean) => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared });
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
};

describe("a module that imports its memory", () => {
  test("links to the kind that it was declared for, and to no other", () => {
    for (const shared of [true, false]) {
      const bytes = declareShared(fromBase64(kernels), shared);
      expect(link(bytes, shared).exports.gemm).toBeTypeOf("function");
      expect(() => link(bytes, !shared)).toThrow(WebAssembly.LinkError);
    }
  });
});

// A page that is not isolated from other origins cannot tell the two apart.
test.skipIf(typeof SharedArrayBuffer === "undefined")(
  "a module with a memory of its own exports the kind that it was declared for",
  () => {
    const instantiate = (shared: boolean) => {
      const module = new WebAssembly.Module(declareShared(fromBase64(tfjs), shared));
      const imports: WebAssembly.Imports = {};
      for (const { module: from, name } of WebAssembly.Module.imports(module)) {
        imports[from] = { ...imports[from], [name]: () => 0 };
      }
      return Object.values(new WebAssembly.Instance(module, imports).exports).find(
        (value) => value instanceof WebAssembly.Memory,
      )?.buffer;
    };
    expect(instantiate(true)).toBeInstanceOf(SharedArrayBuffer);
    expect(instantiate(false)).toBeInstanceOf(ArrayBuffer);
  },
);

test("refuses a module without a memory", () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  expect(() => declareShared(empty, true)).toThrow("has no memory with a maximum");
});

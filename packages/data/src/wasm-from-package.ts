/**
 * The compiled WebAssembly file of an installed package, in Node, whose `fetch` cannot read it. In browsers undefined:
 * there a package finds its own file by its own URL, which bundlers know.
 *
 * @param specifier - such as `@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm`
 */
export async function wasmFromPackage(specifier: string): Promise<WebAssembly.Module | undefined> {
  const builtin = globalThis.process?.getBuiltinModule;
  if (typeof builtin !== "function") return undefined;
  const path = builtin("node:module")
    .createRequire(import.meta.url)
    .resolve(specifier);
  return WebAssembly.compile(new Uint8Array(await builtin("node:fs/promises").readFile(path)));
}

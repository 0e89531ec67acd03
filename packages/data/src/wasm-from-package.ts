const compiled = new Map<string, Promise<WebAssembly.Module>>();

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
  const compiling = compiled.get(path) ?? compile(builtin("node:fs/promises").readFile(path));
  compiled.set(path, compiling);
  return compiling;
}

async function compile(reading: Promise<Uint8Array>): Promise<WebAssembly.Module> {
  return WebAssembly.compile(new Uint8Array(await reading));
}

import { fromBase64 } from "@corenet/core/platform";

/**
 * WebAssembly from a base64 module, compiled at the first call: no file that an app would have to serve. A codec that
 * starts anew gets the same module; after a failure the next call tries again.
 */
export function compileOnce(load: () => Promise<{ default: string }>): () => Promise<WebAssembly.Module> {
  let compiling: Promise<WebAssembly.Module> | undefined;
  return async () => {
    compiling ??= load().then(({ default: text }) => WebAssembly.compile(fromBase64(text)));
    try {
      return await compiling;
    } catch (error) {
      compiling = undefined;
      throw error;
    }
  };
}

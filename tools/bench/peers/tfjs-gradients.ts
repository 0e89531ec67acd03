import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Registers tfjs's own gradients with the engine of this realm. Node cannot import them (they are ESM without file
 * extensions in a CommonJS package), so they are bundled on the spot; the copy of tfjs-core that comes along finds the
 * engine on the global object.
 */
export async function registerTfjsGradients(): Promise<void> {
  const { outputFiles } = await build({
    stdin: {
      contents: 'import "@tensorflow/tfjs-core/dist/register_all_gradients";',
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    write: false,
    logLevel: "warning",
  });
  const [bundle] = outputFiles;
  if (!bundle) throw new Error("registerTfjsGradients: esbuild wrote no bundle.");
  await import(`data:text/javascript;base64,${Buffer.from(bundle.contents).toString("base64")}`);
}

// Node without the npm package `webgpu`, and with one that does not load.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** Starts webgpu(), then webgpu() or cpu(), where importing `webgpu` gives `result`. */
async function startWith(result: string): Promise<string[]> {
  const hook = `
    import { registerHooks } from "node:module";
    registerHooks({ resolve: (specifier, context, next) => specifier === "webgpu" ? ${result} : next(specifier, context) });
  `;
  const program = `
    import { cpu } from "@corenet/backend-cpu";
    import { webgpu } from "@corenet/backend-webgpu";
    import { useBackend } from "@corenet/tensor";
    await useBackend(webgpu()).catch(({ name, message }) => console.log(name + ": " + message.replaceAll("\\n", "")));
    console.log((await useBackend(webgpu(), cpu())).name);
  `;
  const options = [
    "--conditions=@corenet/source",
    ...["--import", `data:text/javascript,${encodeURIComponent(hook)}`],
    ...["--input-type=module", "--eval", program],
  ];
  const { stdout } = await promisify(execFile)(process.execPath, options, { cwd: import.meta.dirname });
  return stdout.trim().split("\n");
}

test("Node without the npm package webgpu says what to install, and the next backend starts", async () => {
  const [refusal, started] = await startWith('next("webgpu-that-nobody-installed", context)');
  expect(refusal).toMatch(/^BackendError: .*Node has no WebGPU of its own\. .*npm install webgpu$/);
  expect(started).toBe("cpu");
});

test("one that does not load says why", async () => {
  const broken = `({ url: "data:text/javascript,throw new Error('wrong ELF class')", shortCircuit: true })`;
  const [refusal, started] = await startWith(broken);
  expect(refusal).toMatch(/the npm package webgpu does not load: wrong ELF class$/);
  expect(started).toBe("cpu");
});

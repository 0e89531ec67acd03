// What a page's headers, policies and browser do to the backend.
import { fileURLToPath } from "node:url";
import type * as corenet from "@corenet/tensor";
import { build } from "esbuild";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchChromium } from "../../../tools/test/browser/launch.ts";
import { isolation, serve } from "../../../tools/test/browser/serve.ts";
import tfjs from "../src/generated/tfjs-simd.ts";
import type { WasmOptions } from "../src/index.ts";
import { workerSource } from "../src/threads/worker-source.ts";

/** What the page's script leaves there. */
declare const app: {
  tensor: typeof corenet;
  wasm(options?: WasmOptions): corenet.Backend;
  cpu(): corenet.Backend;
  /** The threads, as the page could see them. */
  workers: Worker[];
};

const script = `
  import * as tensor from "@corenet/tensor";
  import { wasm } from "@corenet/backend-wasm";
  import { cpu } from "@corenet/backend-cpu";
  const workers = [];
  globalThis.Worker &&= class extends Worker {
    constructor(...args) { super(...args); workers.push(this); }
  };
  globalThis.app = { tensor, wasm, cpu, workers };
`;
const html = '<!doctype html><link rel="icon" href="data:," /><script type="module" src="/page.js"></script>';
const policy = (text: string) => ({ "Content-Security-Policy": text });

let browser: Browser;
const files = new Map<string, { body: string | Uint8Array; type?: string }>([
  ["/", { body: html, type: "text/html" }],
  ["/app.wasm", { body: html, type: "text/html" }], // a server that answers every path with its page
  ["/worker.js", { body: workerSource }],
  ["/page.js.html", { body: html, type: "text/html" }],
  ["/plain.wasm", { body: Buffer.from(tfjs, "base64"), type: "text/plain" }],
]);

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    conditions: ["@corenet/source"],
    ...{ bundle: true, splitting: true, format: "esm", target: "es2022", outdir: "/", write: false },
    entryNames: "page",
  });
  for (const { path, contents } of outputFiles) files.set(path.replace("stdin", "page"), { body: contents });
  browser = await launchChromium();
});
afterAll(() => browser.close());

/** Opens the page, lets `work` use it, and closes it. Fails where the page throws outside of `work`. */
async function inPage<T>(
  work: (page: Page) => Promise<T>,
  headers: Record<string, string> = {},
  from: Browser = browser,
): Promise<T> {
  await using site = await serve((path) => files.get(path), { headers });
  const page = await from.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  try {
    await page.goto(site.origin);
    await page.waitForFunction(() => "app" in globalThis);
    const result = await work(page);
    expect(errors).toEqual([]);
    return result;
  } finally {
    await page.close();
  }
}

/** Starts wasm and multiplies matrices large enough for threads. */
const multiply = async (options: WasmOptions = {}) => {
  const { useBackend, matMul, ones, sum, takeData, tidy } = app.tensor;
  const { wasm: host } = await useBackend(app.wasm(options));
  const totals: number[] = [];
  for (let round = 0; round < 20; round++) {
    const total = tidy(() => sum(matMul(ones([256, 256]), ones([256, 256]))));
    totals.push(...(await takeData(total)));
    await new Promise((resolve) => setTimeout(resolve, 5)); // lets workers start
  }
  return {
    right: totals.every((total) => total === 256 ** 3),
    threads: host?.threads,
    workers: app.workers.length,
    cores: Math.min(8, navigator.hardwareConcurrency),
  };
};

/** How a start fails. */
const failure = async () => {
  try {
    await app.tensor.useBackend(app.wasm());
    return { name: "", message: "it started" };
  } catch (error) {
    const { name, message } = error as Error;
    return { name, message };
  }
};

const onCpu = async () => (await app.tensor.useBackend(app.wasm(), app.cpu())).name;

describe("threads", () => {
  test("run in a page that is isolated from other origins", async () => {
    const { right, threads, workers, cores } = await inPage((page) => page.evaluate(multiply, {}), isolation);
    expect({ right, threads, workers }).toEqual({ right: true, threads: cores, workers: cores - 1 });
  });

  test("are one in a page that is not", async () => {
    const found = await inPage((page) => page.evaluate(multiply, {}));
    expect(found).toMatchObject({ right: true, threads: 1, workers: 0 });
  });

  test("run under a policy that allows workers from blobs", async () => {
    const strict = policy("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:");
    const { right, threads, workers, cores } = await inPage((page) => page.evaluate(multiply, {}), {
      ...isolation,
      ...strict,
    });
    expect({ right, threads, workers }).toEqual({ right: true, threads: cores, workers: cores - 1 });
  });

  const noBlobs = {
    ...isolation,
    ...policy("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'"),
  };

  test("run under a policy without blob:, from a file of the app's own", async () => {
    const { right, threads, workers, cores } = await inPage(
      (page) => page.evaluate(multiply, { worker: "/worker.js" }),
      noBlobs,
    );
    expect({ right, threads, workers }).toEqual({ right: true, threads: cores, workers: cores - 1 });
  });

  test("are one in effect under that policy without the file, and the page lives", async () => {
    expect(await inPage((page) => page.evaluate(multiply, {}), noBlobs)).toMatchObject({ right: true });
  });

  test.each([
    ["not there", "/nowhere.js"],
    ["a page in truth", "/page.js.html"],
    ["of another origin", "https://example.com/worker.js"],
  ])(
    "from a file that is %s fail at the start, with a reason, and the next start works",
    async (_, worker) => {
      await inPage(async (page) => {
        const message = await page.evaluate(
          (worker) =>
            app.tensor.useBackend(app.wasm({ worker, threads: 2 })).then(
              () => "it started",
              (error: Error) => error.message,
            ),
          worker,
        );
        expect(message).toContain(`wasm: the worker at ${worker} did not start (`);
        expect(message).toContain("Correct the address in wasm({ worker }), or leave it out");
        expect(await page.evaluate(multiply, { threads: 2 })).toMatchObject({ right: true, threads: 2 });
      }, isolation);
    },
  );

  test("are one in effect under a policy that forbids workers", async () => {
    const strict = policy("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'");
    const found = await inPage((page) => page.evaluate(multiply, {}), { ...isolation, ...strict });
    expect(found).toMatchObject({ right: true });
  });

  test("that are terminated leave the page alive and the numbers right", async () => {
    await inPage(async (page) => {
      expect(await page.evaluate(multiply, {})).toMatchObject({ right: true });
      await page.evaluate(() => {
        for (const worker of app.workers) worker.terminate();
      });
      expect(await page.evaluate(multiply, {})).toMatchObject({ right: true });
    }, isolation);
  });
});

describe("a start that fails names its reason, and cpu takes over", () => {
  test("under a policy that forbids WebAssembly", async () => {
    await inPage(async (page) => {
      const { name, message } = await page.evaluate(failure);
      expect(name).toBe("BackendError");
      expect(message).toContain("must allow script-src 'wasm-unsafe-eval'");
      expect(await page.evaluate(onCpu)).toBe("cpu");
    }, policy("script-src 'self'"));
  });

  test("without WebAssembly", async () => {
    await inPage(async (page) => {
      await page.evaluate(() => Reflect.deleteProperty(globalThis, "WebAssembly"));
      expect((await page.evaluate(failure)).message).toContain(
        "wasm: this runtime has no WebAssembly. Use cpu()",
      );
      expect(await page.evaluate(onCpu)).toBe("cpu");
    });
  });

  test.runIf(process.arch === "x64")("without SIMD", async () => {
    await using old = await launchChromium(["--js-flags=--no-enable-sse4-1"]);
    await inPage(
      async (page) => {
        expect((await page.evaluate(failure)).message).toContain("has no WebAssembly SIMD, which Chrome 91");
        expect(await page.evaluate(onCpu)).toBe("cpu");
      },
      {},
      old,
    );
  });
});

describe("a .wasm file of the app's own", () => {
  const startFrom = async (address: string) => {
    try {
      const { wasm: host } = await app.tensor.useBackend(app.wasm({ binary: address }));
      return `started with ${host?.threads} threads`;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test("that is the app's page in truth", async () => {
    const message = await inPage((page) => page.evaluate(startFrom, "/app.wasm"));
    expect(message).toContain(
      '/app.wasm starts with 3c 21 64 6f ("<!doctype html>"), expected a WebAssembly file',
    );
  });

  test("that is not there", async () => {
    const message = await inPage((page) => page.evaluate(startFrom, "/nowhere.wasm"));
    expect(message).toContain("/nowhere.wasm could not be read (the server answered 404 Not Found)");
  });

  test("that is served as text works: only its bytes count", async () => {
    expect(await inPage((page) => page.evaluate(startFrom, "/plain.wasm"))).toBe("started with 1 threads");
  });
});

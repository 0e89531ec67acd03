import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { chromiumPath } from "../chromium.ts";

/** A tab of a Chromium of its own, which another tab can cover: Playwright keeps every page visible. */
export interface HideableTab extends AsyncDisposable {
  /** The value of an expression in the page; promises are awaited. @throws Error with what the page threw */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true in the page. */
  reach(expression: string, options?: { timeoutMs?: number }): Promise<void>;
  /** Opens another tab over this one: `document.visibilityState` is "hidden" when it returns. */
  hide(): Promise<void>;
  show(): Promise<void>;
}

type Send = (method: string, params?: object, sessionId?: string) => Promise<Record<string, unknown>>;

/** Opens an address in headless Chromium, with WebGPU on the processor, and waits until it has loaded. */
export async function openHideableTab(url: string): Promise<HideableTab> {
  const path = chromiumPath();
  if (!path) throw new Error("openHideableTab: there is no Chromium at $CHROMIUM or /usr/bin/chromium.");
  const profile = await mkdtemp(join(tmpdir(), "corenet-tab-"));
  const flags = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-sync", "--disable-quic"];
  const gpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
  const debugging = ["--remote-debugging-port=0", `--user-data-dir=${profile}`];
  const child = spawn(path, [...flags, ...gpu, ...debugging, url], { stdio: ["ignore", "ignore", "pipe"] });
  const socket = new WebSocket(await debuggerAddress(child));
  await once(socket, "open");
  const send = sender(socket);
  const { targetInfos } = await send("Target.getTargets");
  const page = (targetInfos as { type: string; targetId: string }[]).find(({ type }) => type === "page");
  const targetId = page?.targetId;
  const attached = await send("Target.attachToTarget", { targetId, flatten: true });
  const sessionId = String(attached.sessionId);

  const tab: HideableTab = {
    async evaluate<T>(expression: string) {
      const how = { expression, awaitPromise: true, returnByValue: true };
      const answer = await send("Runtime.evaluate", how, sessionId);
      const { result, exceptionDetails } = answer as {
        result: { value: T };
        exceptionDetails?: { exception?: { description?: string } };
      };
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "the page threw");
      return result.value;
    },
    async reach(expression, { timeoutMs = 60_000 } = {}) {
      const start = performance.now();
      while (!(await tab.evaluate<boolean>(expression))) {
        if (performance.now() - start > timeoutMs)
          throw new Error(`the page did not reach ${expression} in ${timeoutMs} ms.`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async hide() {
      await send("Target.createTarget", { url: "about:blank" });
      await tab.reach("document.visibilityState === 'hidden'");
    },
    async show() {
      await send("Target.activateTarget", { targetId });
      await tab.reach("document.visibilityState === 'visible'");
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      const ended = once(child, "exit");
      child.kill();
      await ended;
      await rm(profile, { recursive: true, maxRetries: 5 });
    },
  };
  const isLoaded = "document.readyState === 'complete' && location.href !== 'about:blank'";
  while (!(await tab.evaluate(isLoaded).catch(() => false)))
    // between two pages there is nothing to ask
    await new Promise((resolve) => setTimeout(resolve, 50));
  return tab;
}

async function debuggerAddress({ stderr }: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: stderr as Readable })) {
    const address = /listening on (ws:\S+)/.exec(line)?.[1];
    if (address) return address;
  }
  throw new Error("openHideableTab: Chromium ended without opening its debugging port.");
}

/** Commands of the DevTools protocol, and their answers. */
function sender(socket: WebSocket): Send {
  const waiting = new Map<number, (answer: { result?: object; error?: { message: string } }) => void>();
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data));
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let count = 0;
  return (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      const id = ++count;
      waiting.set(id, ({ result, error }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve({ ...result });
      });
      socket.send(JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) }));
    });
}

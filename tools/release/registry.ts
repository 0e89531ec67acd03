import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { root } from "../test/outcome.ts";
import { npm } from "./npm.ts";

/** A registry of our own, for as long as it is held. */
export interface Registry extends AsyncDisposable {
  /** http://localhost:PORT/ */
  readonly url: string;
  /** What an app's .npmrc has to say. */
  readonly npmrc: string;
}

const startTimeoutMs = 60_000;

/**
 * Starts Verdaccio on a free port, with its storage in `folder`. It takes our packages from whoever publishes to it,
 * and never asks for them elsewhere; all others come from the registry that npm is configured for.
 *
 * @throws Error with its output, when it does not answer within a minute
 */
export async function startRegistry(folder: string): Promise<Registry> {
  mkdirSync(folder);
  const { output } = await npm(["config", "get", "registry"], root);
  const uplink = output.split("\n").find((line) => line.startsWith("http"));
  const own = { access: "$all", publish: "$all" };
  const config = {
    storage: join(folder, "storage"),
    auth: { htpasswd: { file: join(folder, "htpasswd"), max_users: -1 } },
    uplinks: { npm: { url: uplink ?? "https://registry.npmjs.org/", timeout: "60s", max_fails: 10 } },
    packages: { "@corenet/*": own, corenet: own, "**": { access: "$all", proxy: "npm" } },
    max_body_size: "200mb",
    log: { type: "stdout", format: "pretty", level: "warn" },
    web: { enable: false },
  };
  const file = join(folder, "config.yaml");
  writeFileSync(file, JSON.stringify(config)); // JSON is YAML

  const port = await freePort();
  const url = `http://localhost:${port}/`;
  const verdaccio = join(root, "node_modules/verdaccio/bin/verdaccio");
  const child = spawn(process.execPath, [verdaccio, "--config", file, "--listen", String(port)], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async () => {
    child.kill();
    await ended;
  };

  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    if (await answers(url)) {
      const npmrc = `registry=${url}\n//localhost:${port}/:_authToken=nobody\n`;
      return { url, npmrc, [Symbol.asyncDispose]: stop };
    }
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(
        `startRegistry: Verdaccio does not answer on ${url}, expected it to within ` +
          `${startTimeoutMs / 1000} s. It printed:\n${printed}`,
      );
    }
    await wait(200);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}-/ping`)).ok;
  } catch {
    return false; // not listening yet
  }
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

// `npm start`, `npm test`, …: installs what is missing, makes the generated kernels, and hands over to Node 24.
// It runs before anything is installed, so it has no dependency and keeps to what Node 20 knows.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const lockFile = join(root, "package-lock.json");
const stampFile = join(modules, ".corenet-installed"); // the hash of the lock file that node_modules came from
const windows = process.platform === "win32";
const node24 = join(modules, "node", "bin", windows ? "node.exe" : "node");
const nx = join(modules, "nx", "dist", "bin", "nx.js");

/** What each command runs. Where kernels are needed and not made first, nx makes them. */
const commands = {
  start: { kernels: true, args: [join(root, "packages/corenet/src/start.ts")] },
  test: { kernels: true, args: [join(root, "tools/test/run.ts")] },
  bench: { kernels: true, args: [join(root, "tools/bench/run.ts")] },
  build: { kernels: false, args: [nx, "run-many", "-t", "build"] },
  "release:check": { kernels: true, args: [join(root, "tools/release/check.ts")] },
  "release:publish": { kernels: false, args: [join(root, "tools/release/publish.ts")] },
  docs: { kernels: true, args: [join(root, "tools/docs/site.ts")] },
  changeset: { kernels: false, args: [join(modules, "@changesets/cli/bin.js")] },
  new: { kernels: false, args: [join(root, "tools/new-package.ts")] },
};

/** Runs a program with our own input and output, or with its output kept for the caller. */
function run(program, args, { keepOutput = false } = {}) {
  const child = spawn(program, args, {
    cwd: root,
    stdio: keepOutput ? ["ignore", "pipe", "pipe"] : "inherit",
    env: { ...process.env, NX_DAEMON: "false", NX_NO_CLOUD: "true", NX_TUI: "false" },
  });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => chunks.push(chunk));
  const stopForwarding = forwardSignals(child);

  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      stopForwarding();
      // A program that a signal ended has the exit code that a shell gives it.
      resolve({ code: code ?? 128 + constants.signals[signal], output: Buffer.concat(chunks).toString() });
    });
  });
}

/** Passes on what is sent to this process alone. Ctrl-C is not: the terminal sends it to the child itself. */
function forwardSignals(child) {
  const caught = ["SIGINT", "SIGTERM", "SIGHUP"];
  const byTerminal = hasTerminal() ? "SIGINT" : undefined;
  let last = 0;
  const forward = (signal) => {
    if (signal === byTerminal || Date.now() - last < 500) return; // npm may repeat what we got already
    last = Date.now();
    child.kill(signal);
  };
  for (const signal of caught) process.on(signal, forward);

  // npm gives a signal of its own to the shell between us only, so that shell's end is all that we hear of it.
  const parent = process.ppid;
  const byNpm = process.env.npm_lifecycle_event !== undefined;
  const watch = setInterval(() => byNpm && process.ppid !== parent && forward("SIGTERM"), 250);
  return () => {
    clearInterval(watch);
    for (const signal of caught) process.off(signal, forward);
  };
}

function hasTerminal() {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return windows; // its console, too, sends Ctrl-C to every process in it
  }
}

/** npm, as the one that called us or else the one on the path. */
function npm(args) {
  const cli = process.env.npm_execpath;
  const quiet = [...args, "--no-audit", "--no-fund", "--loglevel=error"];
  if (cli?.endsWith(".js"))
    return run(process.env.npm_node_execpath ?? process.execPath, [cli, ...quiet], { keepOutput: true });
  return run(windows ? "npm.cmd" : "npm", quiet, { keepOutput: true });
}

function lockHash() {
  return existsSync(lockFile) ? createHash("sha256").update(readFileSync(lockFile)).digest("hex") : "none";
}

/** Whether node_modules came from this lock file: through us, or through npm run by hand, whose own record is newer. */
function isInstalled() {
  if (!existsSync(node24)) return false;
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === lockHash()) return true;
  const record = join(modules, ".package-lock.json");
  return (
    existsSync(record) && existsSync(lockFile) && statSync(record).mtimeMs + 1000 > statSync(lockFile).mtimeMs
  );
}

async function install() {
  console.error("boot: installing the packages of package-lock.json");
  let result = await npm(["ci"]);
  if (result.output.includes("EUSAGE")) {
    console.error("boot: package-lock.json does not fit package.json, so npm install mends it");
    result = await npm(["install"]);
  }
  if (result.code !== 0) {
    throw new Error(
      `${result.output}\nboot: npm ended with exit code ${result.code}, expected it to install the packages. ` +
        "Check the network, `npm config get registry` and the free disk space, then run the same command again.",
    );
  }
  if (!existsSync(node24)) {
    throw new Error(
      `boot: there is no ${node24} after npm, expected the npm package "node" to bring it. ` +
        "Run `npm rebuild node`; where npm skips install scripts, see allowScripts in package.json.",
    );
  }
}

async function makeKernels() {
  const slow = setTimeout(() => console.error("boot: making the kernels (packages/*/src/generated)"), 3000);
  const { code, output } = await run(node24, [nx, "run", "corenet-js:kernels"], { keepOutput: true });
  clearTimeout(slow);
  if (code !== 0) {
    throw new Error(
      `${output}\nboot: \`nx run corenet-js:kernels\` ended with exit code ${code}, expected it to make ` +
        "packages/*/src/generated. Its output above says why.",
    );
  }
}

async function main([name, ...rest]) {
  const command = commands[name];
  if (!command) {
    throw new Error(`boot: got the command ${name}, expected one of ${Object.keys(commands).join(", ")}.`);
  }

  if (!isInstalled()) await install();
  writeFileSync(stampFile, lockHash());
  if (command.kernels) await makeKernels();
  const { code } = await run(node24, ["--conditions=@corenet/source", ...command.args, ...rest]);
  process.exitCode = code;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});

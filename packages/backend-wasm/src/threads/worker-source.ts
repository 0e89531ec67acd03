import { COUNTER, COUNTERS, MAX_ARGS } from "./layout.ts";

/** How often a worker looks for the next call before it goes to sleep: some 50 µs. */
const LOOKS = 20_000;

/**
 * The program of a worker, as text: no bundler sees it, and no minifier can break it. The build also writes it to
 * dist/worker.js. It links the kernel modules to the shared heap, waits for a call to open, takes parts of it until none
 * is left, and waits again. Between calls it looks for a while, since calls come close together, and then sleeps: it blocks,
 * which wakes three times faster than a promise of Atomics.waitAsync (some 15 µs, not 50), and goes back to its event loop
 * only for a module that it does not have yet.
 */
export const workerSource = `
const inNode = typeof process === "object" && typeof process.getBuiltinModule === "function";
const port = inNode ? process.getBuiltinModule("node:worker_threads").parentPort : self;
const modules = [];
let memory, counters, args, strides, thread;

function listen(receive) {
  if (inNode) port.on("message", receive);
  else self.onmessage = (event) => receive(event.data);
}

listen((message) => {
  if (message.control) {
    ({ memory, thread } = message);
    counters = new Int32Array(message.control, 0, ${COUNTERS});
    args = new Float64Array(message.control, ${COUNTERS * 4}, ${MAX_ARGS});
    strides = new Float64Array(message.control, ${COUNTERS * 4 + MAX_ARGS * 8}, ${MAX_ARGS});
    port.postMessage({ ready: true });
    setTimeout(work); // behind the modules that are known already
  } else {
    const exports = new WebAssembly.Instance(message.module, { env: { memory } }).exports;
    modules[message.number] = message.functions.map((name) => exports[name]);
  }
});

async function work() {
  let seen = 0;
  for (;;) {
    seen = nextCall(seen);
    let missing = false;
    Atomics.add(counters, ${COUNTER.active}, 1);
    try {
      if (Atomics.load(counters, ${COUNTER.generation}) === seen) { // else it is closed already
        const functions = modules[counters[${COUNTER.module}]];
        if (functions) takeParts(functions[counters[${COUNTER.fn}]]);
        else missing = true;
      }
    } catch (error) {
      Atomics.store(counters, ${COUNTER.failed}, 1);
      port.postMessage({ error: String(error) });
    }
    Atomics.sub(counters, ${COUNTER.active}, 1);
    Atomics.notify(counters, ${COUNTER.active});
    if (missing) await new Promise((resolve) => setTimeout(resolve)); // lets the module arrive, which is on its way
  }
}

function nextCall(seen) {
  for (;;) {
    let generation;
    for (let look = 0; look < ${LOOKS}; look++) {
      generation = Atomics.load(counters, ${COUNTER.generation});
      if ((generation & 1) === 1 && generation !== seen) return generation;
    }
    Atomics.wait(counters, ${COUNTER.generation}, generation);
  }
}

function takeParts(run) {
  const own = [];
  for (let i = 0; i < counters[${COUNTER.argCount}]; i++) own.push(args[i] + thread * strides[i]);
  const size = counters[${COUNTER.partSize}];
  const tasks = counters[${COUNTER.tasks}];
  const parts = counters[${COUNTER.parts}];
  for (;;) {
    const part = Atomics.add(counters, ${COUNTER.next}, 1);
    if (part >= parts) return;
    run(...own, part * size, Math.min(tasks, (part + 1) * size));
  }
}
`;

import { COUNTER, COUNTERS, MAX_ARGS } from "./layout.ts";

/** How often a worker looks for the next call before it goes to sleep: some 50 µs. */
const LOOKS = 20_000;

/**
 * The program of a worker, as text: no bundler sees it, and no minifier can break it. The build also writes it to
 * dist/worker.js. It links the kernel modules to
 * the shared heap, waits for a call to open, takes parts of it until none is left, and waits again. Between calls it
 * looks for a while, since calls come close together, and then sleeps without blocking its event loop.
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
    work();
    port.postMessage({ ready: true });
  } else {
    const exports = new WebAssembly.Instance(message.module, { env: { memory } }).exports;
    modules[message.number] = message.functions.map((name) => exports[name]);
  }
});

async function work() {
  let seen = 0;
  for (;;) {
    const generation = await nextCall(seen);
    seen = generation;
    Atomics.add(counters, ${COUNTER.active}, 1);
    try {
      // Closed meanwhile, or a module that is still on its way: leave this call to the others.
      const open = Atomics.load(counters, ${COUNTER.generation}) === generation;
      const run = open && modules[counters[${COUNTER.module}]]?.[counters[${COUNTER.fn}]];
      if (run) takeParts(run);
    } catch (error) {
      Atomics.store(counters, ${COUNTER.failed}, 1);
      port.postMessage({ error: String(error) });
    }
    Atomics.sub(counters, ${COUNTER.active}, 1);
    Atomics.notify(counters, ${COUNTER.active});
  }
}

async function nextCall(seen) {
  for (;;) {
    for (let look = 0; look < ${LOOKS}; look++) {
      const generation = Atomics.load(counters, ${COUNTER.generation});
      if (generation % 2 === 1 && generation !== seen) return generation;
    }
    const generation = Atomics.load(counters, ${COUNTER.generation});
    if (generation % 2 === 1 && generation !== seen) return generation;
    const sleep = Atomics.waitAsync(counters, ${COUNTER.generation}, generation);
    if (sleep.async) await sleep.value;
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

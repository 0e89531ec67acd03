/**
 * The program of a worker: `encodeTile` on tiles as they come. Text, so that no bundler has to find it and no
 * minifier can break it.
 */
export const workerSource = `
const inNode = typeof process === "object" && typeof process.getBuiltinModule === "function";
const port = inNode ? process.getBuiltinModule("node:worker_threads").parentPort : self;
let encoder;

function receive({ module, tile }) {
  if (module) {
    encoder = new WebAssembly.Instance(module).exports;
    port.postMessage({ started: true });
  } else {
    const codes = encode(tile);
    port.postMessage({ codes }, [codes]);
  }
}

if (inNode) port.on("message", receive);
else self.onmessage = (event) => receive(event.data);

function encode({ stage, inbox, setup, blocks, importance, expBias }) {
  const [C, P] = setup;
  const count = blocks.length / C;
  const left = count * (28 + 8 * Math.ceil(P / 2));
  const box = encoder.configure(...setup) && encoder.inbox(Math.max(left, inbox ? inbox.length : 0));
  if (!box) throw new Error("the tables for (C, P, K) = (" + setup.slice(0, 3) + ") do not fit into memory");
  new Float32Array(encoder.memory.buffer, encoder.blocksAddress()).set(blocks);
  if (importance) new Float64Array(encoder.memory.buffer, encoder.importanceAddress()).set(importance);
  if (inbox) new Uint8Array(encoder.memory.buffer, box).set(inbox);
  if (stage) encoder[stage](count, expBias, importance ? 1 : 0);
  else encoder.encode(count, expBias, importance === undefined ? 0 : importance.length === C ? 1 : 2);
  if (stage === "bound") return encoder.memory.buffer.slice(box, box + left);
  const codes = encoder.codesAddress();
  return encoder.memory.buffer.slice(codes, codes + count * (16 + 8 * Math.ceil(P / 8)));
}
`;

// One start, measured by startup.bench.ts in a process of its own: startup-process.mjs ours | tfjs
// Plain JavaScript under plain Node, so that the packages come as their users get them: built.
const starts = {
  async ours() {
    const { wasm } = await import("@corenet/backend-wasm");
    const { add, takeData, tensor, useBackend } = await import("@corenet/tensor");
    await useBackend(wasm({ threads: 1 }));
    return takeData(add(tensor([1, 2]), 1));
  },
  async tfjs() {
    const tf = await import("@tensorflow/tfjs-core");
    await import("@tensorflow/tfjs-backend-wasm");
    await tf.setBackend("wasm");
    return tf.add(tf.tensor([1, 2]), 1).data();
  },
};
const begin = performance.now();
const result = await starts[process.argv[2]]();
const ms = performance.now() - begin;
console.log(JSON.stringify({ ms, result: [...result] }));

import {
  clone,
  concat,
  defineOp,
  slice,
  type Tensor4D,
  type WasmHost,
  type WebGpuHost,
  type WgslProgram,
} from "@corenet/tensor";

export interface WriteRowsAttrs {
  readonly position: number;
}

export type WriteRowsInputs = [buffer: Tensor4D, rows: Tensor4D];

/**
 * Puts rows [B, H, T, d] into a buffer [B, H, capacity, d] from `position` on. Consumes the buffer: where the backend
 * can, the result is the same memory, so the caller disposes the buffer and goes on with the result.
 */
export const writeRowsOp = /* @__PURE__ */ defineOp<WriteRowsInputs, [buffer: Tensor4D], WriteRowsAttrs>({
  name: "writeRows",
  reference: writeRowsReference,
  kernels: { wasm: async () => writeRowsInPlace, webgpu: async () => writeRowsOnGpu },
});

function writeRowsReference([buffer, rows]: WriteRowsInputs, { position }: WriteRowsAttrs): [Tensor4D] {
  const [, , capacity] = buffer.shape;
  const end = position + rows.shape[2];
  const before = slice(buffer, [0, 0, 0, 0], [-1, -1, position, -1]);
  const after = slice(buffer, [0, 0, end, 0], [-1, -1, capacity - end, -1]);
  return [concat([before, rows, after], { axis: 2 })];
}

async function writeRowsInPlace(host: WasmHost) {
  return ([buffer, rows]: WriteRowsInputs, { position }: WriteRowsAttrs): [Tensor4D] => {
    const [B, H, capacity, d] = buffer.shape;
    const bytes = rows.shape[2] * d * 4;
    const heap = new Uint8Array(host.memory.buffer);
    const source = host.address(rows);
    const target = host.address(buffer) + position * d * 4;
    for (let head = 0; head < B * H; head++) {
      heap.copyWithin(target + head * capacity * d * 4, source + head * bytes, source + (head + 1) * bytes);
    }
    return [clone(buffer)];
  };
}

const program: WgslProgram = {
  name: "writeRows",
  reads: { rows: "u32" },
  writes: { buffer: "u32" },
  uniforms: { size: "u32", block: "u32", room: "u32", offset: "u32" },
  workgroupSize: 64,
  code: /* wgsl */ `
fn main(group: u32, local: u32) {
  let index = group * WORKGROUP + local;
  if (index < u.size) { buffer[index / u.block * u.room + u.offset + index % u.block] = rows[index]; }
}`,
};

function writeRowsOnGpu(host: WebGpuHost) {
  return ([buffer, rows]: WriteRowsInputs, { position }: WriteRowsAttrs): [Tensor4D] => {
    const [, , capacity, d] = buffer.shape;
    const { size } = rows;
    const uniforms = { size, block: rows.shape[2] * d, room: capacity * d, offset: position * d };
    host.run(program, { rows, buffer }, { workgroups: Math.ceil(size / 64), uniforms });
    return [clone(buffer)];
  };
}

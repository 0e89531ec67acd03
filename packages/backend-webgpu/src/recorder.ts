import type { WgslProgram } from "@corenet/tensor";
import { BufferPool, bufferUsage, type PooledBuffer } from "./buffer-pool.ts";
import { Failures } from "./failures.ts";
import { bindingNames, dispatchGrid, shaderText, UNIFORM_BYTES, writeUniforms } from "./shader.ts";
import { Staging } from "./staging.ts";

const BATCH = 512; // runs in a submission, of which a decode step should need one
const FAULT_BYTES = 16;

interface Compiled {
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Records runs of programs and submits them in batches; compiles each program once. */
export class Recorder {
  readonly device: GPUDevice;
  readonly failures: Failures;
  readonly pool: BufferPool;
  readonly #staging: Staging;
  /** The number of the batch being recorded. */
  batch = 1;
  readonly #compiled = new Map<string, Compiled>();
  readonly #byProgram = new WeakMap<WgslProgram, Compiled>();
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #uniforms = new DataView(new ArrayBuffer(BATCH * UNIFORM_BYTES));
  readonly #uniformBuffer: GPUBuffer;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #runs = 0;
  /** Where programs report what they find out of range; what each number means; whether there may be a report. */
  readonly #faults: PooledBuffer;
  readonly #checks: string[] = [];
  #mayReport = false;

  readonly #subgroups: boolean;

  /** @param options.subgroups - whether reductions over a workgroup use them */
  constructor(device: GPUDevice, { subgroups }: { subgroups: boolean }) {
    this.device = device;
    this.#subgroups = subgroups;
    this.failures = new Failures(device, () => this.submit());
    this.pool = new BufferPool(device, this.failures, this);
    this.#staging = new Staging(device, this.failures);
    this.#uniformBuffer = device.createBuffer({
      size: this.#uniforms.byteLength,
      usage: bufferUsage.uniform | bufferUsage.copyTarget,
    });
    this.#faults = this.pool.acquire(FAULT_BYTES);
  }

  /** Records a run; `buffers` in the order of `bindingNames`. */
  run(
    program: WgslProgram,
    buffers: readonly PooledBuffer[],
    workgroups: number,
    uniforms: Readonly<Record<string, number>> = {},
  ): void {
    const compiled = this.#compile(program);
    const offset = this.#runs * UNIFORM_BYTES;
    writeUniforms(program, uniforms, workgroups, this.#uniforms, offset);
    const bound = program.checks ? [...buffers, this.#faults] : buffers;
    if (program.checks) this.#mayReport = true;
    for (const buffer of bound) buffer.lastUse = this.batch;
    this.#encoder ??= this.device.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(compiled.pipeline);
    this.#pass.setBindGroup(0, this.#bindGroup(compiled, bound), [offset]);
    this.#pass.dispatchWorkgroups(
      ...dispatchGrid(workgroups, this.device.limits.maxComputeWorkgroupsPerDimension),
    );
    if (++this.#runs === BATCH) this.submit();
  }

  /**
   * Copies out what the runs recorded so far leave in a buffer.
   *
   * @throws RangeError when one of them met an id out of range
   */
  async download(source: PooledBuffer, byteLength: number): Promise<ArrayBuffer> {
    const asksForFaults = this.#mayReport;
    this.#mayReport = false;
    const wanted = byteLength + (asksForFaults ? FAULT_BYTES : 0);
    const staging = this.#staging.acquire(wanted);
    this.#encoder ??= this.device.createCommandEncoder();
    this.#endPass();
    this.#encoder.copyBufferToBuffer(source.buffer, 0, staging, 0, byteLength);
    if (asksForFaults) {
      this.#encoder.copyBufferToBuffer(this.#faults.buffer, 0, staging, byteLength, FAULT_BYTES);
      this.#encoder.clearBuffer(this.#faults.buffer, 0, FAULT_BYTES);
    }
    source.lastUse = this.batch;
    this.submit();
    try {
      await staging.mapAsync(bufferUsage.mapRead, 0, wanted);
    } catch (error) {
      staging.destroy();
      throw error;
    }
    const mapped = staging.getMappedRange(0, wanted);
    const bytes = mapped.slice(0, byteLength);
    const fault = new Int32Array(mapped.slice(byteLength));
    this.#staging.release(staging);
    this.#throwFault(fault);
    return bytes;
  }

  #throwFault([check = 0, id, count]: Int32Array): void {
    if (check === 0) return;
    throw new RangeError(
      `${this.#checks[check - 1]} is ${id}, expected an integer in [0, ${count}). The GPU met it after the last read.`,
    );
  }

  /** Of the pool: a binding holds the buffers that it binds. */
  forget(): void {
    this.#bindGroups.clear();
  }

  submit(): void {
    if (!this.#encoder) {
      this.batch++;
      this.pool.submitted();
      return;
    }
    this.#endPass();
    const encoder = this.#encoder;
    const runs = this.#runs;
    this.#encoder = null;
    this.#runs = 0;
    this.batch++;
    this.failures.watch(this.device, "a batch of commands", () => {
      const { buffer } = this.#uniforms;
      if (runs > 0) this.device.queue.writeBuffer(this.#uniformBuffer, 0, buffer, 0, runs * UNIFORM_BYTES);
      this.device.queue.submit([encoder.finish()]);
    });
    this.pool.submitted();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
  }

  #bindGroup(compiled: Compiled, buffers: readonly PooledBuffer[]): GPUBindGroup {
    const key = `${compiled.id}:${buffers.map(({ id }) => id).join()}`;
    const known = this.#bindGroups.get(key);
    if (known) return known;
    const entries = [
      ...buffers.map(({ buffer }, binding) => ({ binding, resource: { buffer } })),
      { binding: buffers.length, resource: { buffer: this.#uniformBuffer, size: UNIFORM_BYTES } },
    ];
    const group = this.failures.watch(this.device, "a binding", () =>
      this.device.createBindGroup({ layout: compiled.layout, entries }),
    );
    if (this.#bindGroups.size >= 4096) this.#bindGroups.clear();
    this.#bindGroups.set(key, group);
    return group;
  }

  #compile(program: WgslProgram): Compiled {
    const known = this.#byProgram.get(program);
    if (known) return known;
    const code = shaderText(program, { check: this.#checkNumber(program), subgroups: this.#subgroups });
    const compiled = this.#compiled.get(code) ?? this.#create(program, code);
    this.#compiled.set(code, compiled);
    this.#byProgram.set(program, compiled);
    return compiled;
  }

  #checkNumber({ checks }: WgslProgram): number {
    if (!checks) return 0;
    if (!this.#checks.includes(checks)) this.#checks.push(checks);
    return this.#checks.indexOf(checks);
  }

  #create(program: WgslProgram, code: string): Compiled {
    const { device } = this;
    const label = program.name;
    return this.failures.watch(device, `the program ${label}`, () => {
      const read = Object.keys(program.reads).length;
      const arrays = bindingNames(program).length + (program.checks ? 1 : 0);
      const layout = device.createBindGroupLayout({
        label,
        entries: [
          ...Array.from({ length: arrays }, (_, binding) => ({
            binding,
            visibility: 4, // GPUShaderStage.COMPUTE
            buffer: { type: binding < read ? ("read-only-storage" as const) : ("storage" as const) },
          })),
          { binding: arrays, visibility: 4, buffer: { type: "uniform" as const, hasDynamicOffset: true } },
        ],
      });
      const pipeline = device.createComputePipeline({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: device.createShaderModule({ label, code }), entryPoint: "start" },
      });
      return { id: this.#compiled.size, pipeline, layout };
    });
  }
}

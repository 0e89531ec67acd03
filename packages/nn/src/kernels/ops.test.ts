// Every op of this package: its kernel against its reference on random shapes, and which ops have no kernel.
import {
  type Op,
  opsWithoutKernel,
  slice,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor,
} from "@corenet/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";
import { oddSize, onBackend, sizeOf } from "../../../../tools/testing/index.ts";
import { type AttentionAttrs, attentionGradOp, attentionOp } from "./attention/op.ts";
import { crossEntropyGradOp, crossEntropyOp } from "./cross-entropy/op.ts";
import { type DistillationInputs, distillationGradOp, distillationOp } from "./distillation/op.ts";
import { rmsNormGradOp, rmsNormOp } from "./rms-norm/op.ts";
import { ropeOp } from "./rope/op.ts";
import { siluMulGradOp, siluMulOp } from "./silu-mul/op.ts";
import { tokenHeadsOp } from "./token-heads/op.ts";
import { writeRowsOp } from "./write-rows/op.ts";

/** Numbers in [-2, 2] from a seed. */
function noise<T extends Tensor>(shape: T["shape"], seed: number): T {
  let state = seed * 2654435761 + 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  };
  return tensor(Float32Array.from({ length: sizeOf(shape) }, next), shape) as T;
}

const smooth = { atol: 2e-5, rtol: 1e-4 };

/** Runs the op with its kernel, then its reference, and compares the outputs. */
async function expectSame<I extends readonly Tensor[], O extends readonly Tensor[], A>(
  op: Op<I, O, A>,
  inputs: I,
  attrs: A,
): Promise<{ got: O; expected: O }> {
  expect(op.implementation()).toBe("kernel");
  const expected = op.definition.reference(inputs, attrs);
  const got = op(inputs, attrs);
  expect(got.length).toBe(expected.length);
  for (const [i, output] of got.entries()) await expect(output).toBeAllClose(expected[i] as Tensor, smooth);
  return { got, expected };
}

/** The backends that have kernels. */
function onEachKernel(suite: () => void): void {
  for (const backend of ["wasm", "webgpu"] as const) onBackend(backend, suite);
}

const seed = fc.nat(10_000);
const leading = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });

onEachKernel(() => {
  test("rmsNorm and its gradient", async () => {
    const cases = fc.record({ leading, D: oddSize(), eps: fc.constantFrom(1e-6, 0.1), seed });
    await fc.assert(
      fc.asyncProperty(cases, async ({ leading, D, eps, seed }) => {
        const x = noise([...leading, D], seed);
        const weight = noise<Tensor1D>([D], seed + 1);
        const { expected } = await expectSame(rmsNormOp, [x, weight], { eps });
        await expectSame(rmsNormGradOp, [x, weight, expected[1], noise(x.shape, seed + 2)], {});
      }),
      { numRuns: 60 },
    );
  });

  test("rope, both ways", async () => {
    const side = fc.integer({ min: 1, max: 5 });
    const cases = fc.record({ B: side, H: side, T: fc.nat(9), half: oddSize({ max: 33 }), seed });
    await fc.assert(
      fc.asyncProperty(
        cases,
        fc.constantFrom(1 as const, -1 as const),
        fc.boolean(),
        async ({ B, H, T, half, seed }, sign, each) => {
          const x = noise<Tensor4D>([B, H, T, 2 * half], seed);
          const shape = each ? ([B, T, half] as const) : ([T, half] as const);
          const [cos, sin] = [
            noise<Tensor2D | Tensor3D>(shape, seed + 1),
            noise<Tensor2D | Tensor3D>(shape, seed + 2),
          ];
          await expectSame(ropeOp, [x, cos, sin], { sign });
        },
      ),
      { numRuns: 60 },
    );
  });

  test("tokenHeads", async () => {
    const cases = fc.record({
      B: oddSize({ max: 3 }),
      H: oddSize({ max: 5 }),
      Hkv: oddSize({ max: 3 }),
      half: oddSize(),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ B, H, Hkv, half, seed }) => {
        const qkv = noise<Tensor3D>([B, 1, (H + 2 * Hkv) * 2 * half], seed);
        const gains = [1, 2].map((i) => noise<Tensor1D>([2 * half], seed + i)) as [Tensor1D, Tensor1D];
        const tables = [3, 4].map((i) => noise<Tensor2D>([1, half], seed + i)) as [Tensor2D, Tensor2D];
        const attrs = { numQueryHeads: H, numKvHeads: Hkv, eps: 1e-6 };
        await expectSame(tokenHeadsOp, [qkv, ...gains, ...tables], attrs);
      }),
      { numRuns: 40 },
    );
  });

  test("siluMul and its gradient", async () => {
    await fc.assert(
      fc.asyncProperty(leading, oddSize(), seed, async (leading, F, seed) => {
        const gateUp = noise([...leading, 2 * F], seed);
        await expectSame(siluMulOp, [gateUp], {});
        await expectSame(siluMulGradOp, [gateUp, noise([...leading, F], seed + 1)], {});
      }),
      { numRuns: 60 },
    );
  });

  test("attention and its gradient", async () => {
    const cases = fc
      .record({
        B: fc.integer({ min: 1, max: 3 }),
        Hkv: fc.integer({ min: 1, max: 3 }),
        group: fc.integer({ min: 1, max: 4 }),
        T: fc.constantFrom(1, 2, 5, 17, 70),
        past: fc.constantFrom(0, 1, 7, 40),
        spare: fc.constantFrom(0, 3),
        d: fc.constantFrom(2, 4, 6, 16, 20),
        causal: fc.boolean(),
        seed,
      })
      .chain((sizes) => {
        const { B, T, past } = sizes;
        const start = fc.nat(past + T + 1);
        const ofRows = fc.array(start, { minLength: B, maxLength: B });
        const ofQueries = fc
          .array(start, { minLength: T, maxLength: T })
          .map((row) => row.sort((a, b) => a - b));
        const starts = fc.oneof(
          ofRows,
          fc.array(ofQueries, { minLength: B, maxLength: B }).map((rows) => rows.flat()),
        );
        return fc.record({ sizes: fc.constant(sizes), validFrom: fc.option(starts, { nil: undefined }) });
      });
    await fc.assert(
      fc.asyncProperty(
        cases,
        async ({ sizes: { B, Hkv, group, T, past, spare, d, causal, seed }, validFrom }) => {
          const length = past + T;
          const attrs: AttentionAttrs = { causal, length, ...(validFrom && { validFrom }) };
          const q = noise<Tensor4D>([B, Hkv * group, T, d], seed);
          const k = noise<Tensor4D>([B, Hkv, length + spare, d], seed + 1);
          const v = noise<Tensor4D>([B, Hkv, length + spare, d], seed + 2);
          const dy = noise<Tensor4D>(q.shape, seed + 3);
          expect(attentionOp.implementation()).toBe("kernel");
          const [y, lse] = attentionOp([q, k, v], attrs);
          const [expected, expectedLse] = attentionOp.definition.reference([q, k, v], attrs);
          await expect(y).toBeAllClose(expected, smooth);
          if (!validFrom) await expect(lse).toBeAllClose(expectedLse as Tensor3D, smooth); // of no key at all they differ
          const grads = attentionGradOp([q, k, v, y, lse, dy], attrs);
          const expectedGrads = attentionGradOp.definition.reference([q, k, v, y, lse, dy], attrs);
          for (const [i, grad] of grads.entries())
            await expect(grad).toBeAllClose(expectedGrads[i] as Tensor, smooth);
        },
      ),
      { numRuns: 80 },
    );
  });

  test("crossEntropy and its gradient", async () => {
    const cases = fc
      .record({
        N: fc.nat(9),
        V: oddSize(),
        labelSmoothing: fc.constantFrom(0, 0.1),
        zLoss: fc.constantFrom(0, 0.01),
        seed,
      })
      .chain((sizes) =>
        fc.record({
          sizes: fc.constant(sizes),
          targets: fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(sizes.V - 1) }, fc.constant(-100)), {
            minLength: sizes.N,
            maxLength: sizes.N,
          }),
        }),
      );
    await fc.assert(
      fc.asyncProperty(cases, async ({ sizes: { N, V, labelSmoothing, zLoss, seed }, targets }) => {
        const attrs = { ignoreIndex: -100, labelSmoothing, zLoss };
        const logits = noise<Tensor2D>([N, V], seed);
        const ids = tensor(Int32Array.from(targets));
        const [losses, lse] = crossEntropyOp([logits, ids], attrs);
        const [expected, expectedLse] = crossEntropyOp.definition.reference([logits, ids], attrs);
        await expect(losses).toBeAllClose(expected, smooth);
        for (const [i, target] of targets.entries()) {
          if (target === -100) continue; // the kernel does not compute it for an ignored row
          await expect(slice(lse, [i], [1])).toBeAllClose(slice(expectedLse, [i], [1]), smooth);
        }
        await expectSame(
          crossEntropyGradOp,
          [logits, ids, expectedLse, noise<Tensor1D>([N], seed + 1)],
          attrs,
        );
      }),
      { numRuns: 60 },
    );
  });

  test("distillation and its gradient, of all logits and of the largest", async () => {
    const cases = fc.record({
      N: fc.integer({ min: 1, max: 5 }),
      V: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(130, 300)),
      isSparse: fc.boolean(),
      temperature: fc.constantFrom(0.5, 1, 3),
      alpha: fc.constantFrom(0.3, 1),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ N, V, isSparse, temperature, alpha, seed }) => {
        const attrs = { ignoreIndex: -100, temperature, alpha };
        const K = isSparse ? Math.ceil(V / 3) : V;
        const student = noise<Tensor2D>([N, V], seed);
        const teacher = noise<Tensor2D>([N, K], seed + 1);
        const targets = tensor(
          Int32Array.from({ length: N }, (_, i) => (i % 3 === 2 ? -100 : (seed + i) % V)),
        );
        const ids = tensor(
          Int32Array.from({ length: N * K }, (_, i) => (seed + (i % K)) % V),
          [N, K],
        );
        const inputs: DistillationInputs = isSparse
          ? [student, targets, teacher, ids]
          : [student, targets, teacher];
        const [losses, sums] = distillationOp.definition.reference(inputs, attrs);
        await expect(distillationOp(inputs, attrs)[0]).toBeAllClose(losses, smooth);
        expect(distillationOp.implementation()).toBe("kernel");
        await expectSame(distillationGradOp, [sums, noise<Tensor1D>([N], seed + 2), ...inputs], attrs);
      }),
      { numRuns: 60 },
    );
  });

  test("writeRows", async () => {
    const side = fc.integer({ min: 1, max: 4 });
    const cases = fc.record({
      B: side,
      H: side,
      position: fc.nat(5),
      T: fc.nat(4),
      spare: fc.nat(3),
      d: side,
      seed,
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ B, H, position, T, spare, d, seed }) => {
        const buffer = noise<Tensor4D>([B, H, Math.max(1, position + T + spare), d], seed);
        await expectSame(writeRowsOp, [buffer, noise<Tensor4D>([B, H, T, d], seed + 1)], { position });
      }),
      { numRuns: 40 },
    );
  });

  test("every op has a kernel here", () => {
    expect(opsWithoutKernel()).toEqual([]);
  });
});

onBackend("cpu", () => {
  test("every op runs its reference here", () => {
    const ops = [
      attentionGradOp,
      attentionOp,
      crossEntropyGradOp,
      crossEntropyOp,
      distillationGradOp,
      distillationOp,
      rmsNormGradOp,
      rmsNormOp,
      ropeOp,
      siluMulGradOp,
      siluMulOp,
      tokenHeadsOp,
      writeRowsOp,
    ];
    expect(opsWithoutKernel()).toEqual(expect.arrayContaining(ops.map((op) => op.opName)));
    expect(ops.every((op) => op.implementation() === "reference")).toBe(true);
  });
});

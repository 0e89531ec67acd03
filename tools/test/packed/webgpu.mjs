// npm does not install the optional peer webgpu: who asks for that backend is told to, and the next one starts.
import assert from "node:assert/strict";
import { cpu } from "@corenet/backend-cpu";
import { webgpu } from "@corenet/backend-webgpu";
import { useBackend } from "@corenet/tensor";

await assert.rejects(useBackend(webgpu()), { name: "BackendError", message: /npm install webgpu$/ });
assert.equal((await useBackend(webgpu(), cpu())).name, "cpu");

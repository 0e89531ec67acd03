// Once before all tests: where WebGPU is to be had, they run on it too; where not, this says what is missing.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json"; // of Debian's package chromium
const probe = `
  import { webgpu } from "@corenet/backend-webgpu";
  await webgpu().start().then((backend) => backend.dispose(), (error) => console.log(error.message));
`;

export async function setup(): Promise<void> {
  if (!process.env.VK_ICD_FILENAMES && existsSync(swiftShader)) process.env.VK_ICD_FILENAMES = swiftShader;
  const options = ["--conditions=@corenet/source", "--input-type=module", "--eval", probe];
  const { stdout: reason } = await promisify(execFile)(process.execPath, options, { cwd: "tools" });
  if (reason === "") return;
  process.env.CORENET_NO_WEBGPU = "1"; // the workers inherit it
  console.warn(`Tests on webgpu are skipped. ${reason}`);
}

import { type Browser, chromium } from "playwright";
import { chromiumPath } from "../chromium.ts";

/**
 * Headless Chromium, with WebGPU on the processor.
 *
 * @param flags - beside those that every run has
 */
export function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  const path = chromiumPath();
  if (!path) throw new Error("launchChromium: there is none at $CHROMIUM or /usr/bin/chromium. Install it.");
  return chromium.launch({
    executablePath: path,
    args: [
      ...["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"],
      ...["--disable-background-networking", "--disable-component-update"],
      ...["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
      ...flags,
    ],
  });
}

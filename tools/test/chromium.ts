import { existsSync } from "node:fs";

/** The Chromium that browser tests drive: $CHROMIUM, or Debian's; undefined where there is none. */
export function chromiumPath(): string | undefined {
  return [process.env.CHROMIUM ?? "", "/usr/bin/chromium"].find((path) => existsSync(path));
}

import type { Terminal } from "./colors.ts";

/**
 * What a model says, for where it goes: on a terminal, control characters but line ends and tabs become their pictures
 * (␛ for escape), since they could move the cursor or worse; a file or a pipe gets them as they are.
 */
export function printable(text: string, terminal: Terminal): string {
  if (terminal.isTTY !== true) return text;
  return text.replace(/[^\P{Cc}\n\t]/gu, (control) => {
    const code = control.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : "\ufffd";
  });
}

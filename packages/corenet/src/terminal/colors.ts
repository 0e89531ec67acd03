import { styleText } from "node:util";

export type Style = "bold" | "dim" | "green" | "cyan" | "yellow";

/** Paints text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Colours for a terminal that shows them, unless NO_COLOR is set. */
export function paintFor(terminal: Terminal, env: Record<string, string | undefined> = process.env): Paint {
  const colored = terminal.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  return (style, text) => (colored ? styleText(style, text, { validateStream: false }) : text);
}

import type { OnProgress } from "@corenet/core";
import { bytesText } from "./bytes-text.ts";
import type { Terminal } from "./colors.ts";
import { formatDuration } from "./duration.ts";

export interface WorkLine {
  readonly onProgress: OnProgress;
  /** Takes the line away, so that other output can follow. Does nothing where there is none. */
  clear(): void;
}

const quietMs = 1000; // what is done sooner needs no words
const drawMs = 100;
const lineMs = 5000;

/**
 * How far a long piece of work is, such as a download: one line that is drawn again and again on a terminal and goes away
 * at the end; elsewhere a line every five seconds.
 *
 * @param now - the clock, in milliseconds
 */
export function workLine(terminal: Terminal, now: () => number = () => performance.now()): WorkLine {
  const isTerminal = terminal.isTTY === true;
  const start = now();
  let shownAt = isTerminal ? start + quietMs - drawMs : start;
  let isDrawn = false;
  return {
    onProgress({ phase, done, total, unit, etaMs, item }) {
      if (now() - shownAt < (isTerminal ? drawMs : lineMs)) return;
      shownAt = now();
      const amount = (count: number) => (unit === "bytes" ? bytesText(count) : `${count} ${unit}`);
      const parts = [
        phase,
        total === undefined ? amount(done) : `${share(done, total)}  ${amount(done)} of ${amount(total)}`,
      ];
      if (etaMs !== undefined && total !== undefined && done < total)
        parts.push(`${formatDuration(etaMs)} left`);
      if (item !== undefined) parts.push(item);
      const text = parts.join("  ").slice(0, Math.max(10, (terminal.columns ?? 100) - 1));
      terminal.write(isTerminal ? `\r${text}\x1b[K` : `${text}\n`);
      isDrawn = isTerminal;
    },
    clear() {
      if (isDrawn) terminal.write("\r\x1b[K");
      isDrawn = false;
    },
  };
}

function share(done: number, total: number): string {
  return `${total > 0 ? Math.floor((100 * done) / total) : 100} %`;
}

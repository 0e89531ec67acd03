import type { StepFacts } from "../run/events.ts";
import type { Paint, Terminal } from "./colors.ts";
import { formatDuration } from "./duration.ts";

export interface ProgressLine {
  update(facts: StepFacts): void;
  /** Ends the line, so that other output can follow. Does nothing where there is none. */
  end(): void;
}

const barWidth = 24;
const barMs = 100;
const lineMs = 5000;

/**
 * The progress of a training: a bar that is drawn again and again on a terminal, or a line every five seconds
 * elsewhere. Both show loss, speed and time left.
 *
 * @param now - the clock, in milliseconds
 */
export function progressLine(
  terminal: Terminal,
  paint: Paint,
  now: () => number = () => performance.now(),
): ProgressLine {
  const isBar = terminal.isTTY === true;
  let shownAt = -Infinity;
  let isOpen = false;

  return {
    update(facts) {
      const isLast = facts.step === facts.steps;
      if (!isLast && now() - shownAt < (isBar ? barMs : lineMs)) return;
      shownAt = now();
      if (!isBar) {
        terminal.write(`${describe(facts)}\n`);
        return;
      }
      const room = Math.max(10, (terminal.columns ?? 80) - 1);
      const text = describe(facts);
      const bar = room >= text.length + barWidth + 1 ? `${drawBar(facts, paint)} ` : "";
      terminal.write(`\r${bar}${bar ? text : text.slice(0, room)}\x1b[K`);
      isOpen = true;
    },
    end() {
      if (isOpen) terminal.write("\n");
      isOpen = false;
      shownAt = -Infinity;
    },
  };
}

function drawBar({ step, steps }: StepFacts, paint: Paint): string {
  const filled = Math.round((barWidth * step) / steps);
  return paint("cyan", "━".repeat(filled)) + paint("dim", "─".repeat(barWidth - filled));
}

function describe({ step, steps, bitsPerByte, tokensPerSecond, etaMs }: StepFacts): string {
  const parts = [`step ${step}/${steps}`];
  if (bitsPerByte !== undefined) parts.push(`loss ${bitsPerByte.toFixed(3)} bits/byte`);
  if (tokensPerSecond !== undefined) parts.push(`${Math.round(tokensPerSecond)} tokens/s`);
  if (etaMs !== undefined) parts.push(`${formatDuration(etaMs)} left`);
  return parts.join("  ");
}

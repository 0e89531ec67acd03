import type { OnRunEvent } from "../run/events.ts";
import type { RunSettings, TextSettings } from "../run/settings.ts";
import { scaleShares } from "../run/window-scales.ts";
import { bytesText } from "./bytes-text.ts";
import { paintFor, type Terminal } from "./colors.ts";
import { progressLine } from "./progress-line.ts";

/** Tells people on a terminal, or in a log, how a run is going. */
export function runPrinter(terminal: Terminal): OnRunEvent {
  const paint = paintFor(terminal);
  const progress = progressLine(terminal, paint);
  const say = (text: string) => {
    progress.end();
    terminal.write(`${text}\n`);
  };
  return (event) => {
    switch (event.type) {
      case "text":
        return say(`${paint("bold", "text")}   ${describeText(event.text)}`);
      case "calibrate":
        return say(`${paint("bold", "time")}   measuring a few steps`);
      case "plan":
        say(`${paint("bold", "model")}  ${describeModel(event.settings)}`);
        return event.resumed ? say("Goes on with the run that was started before.") : undefined;
      case "skip":
        return say(paint("yellow", event.message));
      case "step":
        return progress.update(event);
      case "evaluate":
        return say(`Measuring ${event.bytes} held-out bytes.`);
      case "compress":
        return say(`\n\n${paint("bold", "seeds")}  compressing the blocks to ${event.bits} bits a weight`);
      case "compressed":
        return say(
          `${event.bits} bits: ${bytesText(event.fileBytes)}, ${event.bitsPerByte.toFixed(3)} bits per byte`,
        );
      case "prompt":
        progress.end();
        return void terminal.write(`\n${paint("bold", "sample")}\n${paint("dim", event.text)}`);
      case "sample":
        return void terminal.write(event.text);
    }
  };
}

function describeText({ from, files, bytes }: TextSettings): string {
  const name = from === "repository" ? "docs and sources of this repository" : from;
  const count = files === 1 ? "1 file" : `${files} files`;
  return `${name}: ${count}, ${(bytes / 1024).toFixed(0)} KiB, every 20th block of 4 KiB held out`;
}

function describeModel({ parameters, model, training, seed }: RunSettings): string {
  const lengths = scaleShares(training.sequences).map(({ length }) => length);
  return (
    `OpenELM, ${(parameters / 1e6).toFixed(2)} M parameters, ${model.numLayers} layers; ` +
    `${training.steps} steps of windows of ${lengths.join(", ")} bytes, seed ${seed}`
  );
}

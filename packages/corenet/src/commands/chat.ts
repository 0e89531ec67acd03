import { createInterface } from "node:readline/promises";
import { wasm } from "@corenet/backend-wasm";
import { Rng } from "@corenet/core";
import { type ChatMessage, plainChatTemplate } from "@corenet/formats";
import { generateText, PromptCache } from "@corenet/nn";
import { useBackend } from "@corenet/tensor";
import { defineCommand } from "citty";
import { paintFor } from "../terminal/colors.ts";
import { printable } from "../terminal/printable.ts";
import { interruptible } from "./interrupt.ts";
import { modelFiles, modelOption, modelOptions } from "./model-options.ts";
import { openForWork } from "./open-for-work.ts";
import { checkOptions, commonOptions, integerOption, numberOption } from "./options.ts";

const options = {
  ...modelOptions,
  system: {
    type: "string",
    valueHint: "TEXT",
    description: "What the model is told before the conversation.",
  },
  "max-new-tokens": { type: "string", valueHint: "N", description: "Of an answer, at most. 256." },
  temperature: { type: "string", valueHint: "X", description: "0 takes the most likely. 0.8." },
  seed: { type: "string", valueHint: "N", description: "One seed gives one conversation. 0." },
  json: { type: "boolean", description: "Print each answer as a line of JSON, and nothing else." },
  ...commonOptions,
} as const;

/** The command that talks in the terminal. */
export const chatCommand = defineCommand({
  meta: { name: "chat", description: "Talk with a model. An empty line or Ctrl-D ends the conversation." },
  args: options,
  async run({ args }) {
    checkOptions(args, options);
    const from = modelOption(args);
    const maxNewTokens = integerOption("max-new-tokens", args["max-new-tokens"]) ?? 256;
    const temperature = numberOption("temperature", args.temperature) ?? 0.8;
    const rng = new Rng(integerOption("seed", args.seed) ?? 0);

    await useBackend(wasm());
    await interruptible(async (signal) => {
      using opened = await openForWork(from, { ...modelFiles(args), signal });
      const { model, tokenizer, chat } = opened;
      using promptCache = new PromptCache(model); // a turn reads only what is new in it
      const template = chat ?? plainChatTemplate;
      const messages: ChatMessage[] =
        args.system === undefined ? [] : [{ role: "system", content: args.system }];
      const say = (text: string) => void (args.json || process.stdout.write(text));
      const asked = paintFor(process.stdout)("bold", "> ");
      const input = createInterface({ input: process.stdin, terminal: false });
      const close = () => input.close();
      signal.addEventListener("abort", close);
      try {
        say(asked);
        for await (const line of input) {
          if (line.trim() === "") break;
          messages.push({ role: "user", content: line });
          let answer = "";
          const settings = { promptCache, maxNewTokens, temperature, rng, signal };
          for await (const piece of generateText(model, tokenizer, {
            ...settings,
            prompt: template(messages),
            ...(chat ? { addBos: false } : { stopStrings: ["\nUser:"] }), // a template writes its own bos
          })) {
            answer += piece;
            say(printable(piece, process.stdout));
          }
          const message = { role: "assistant", content: answer.trim() };
          messages.push(message);
          if (args.json) process.stdout.write(`${JSON.stringify(message)}\n`);
          say(`\n${asked}`);
        }
        signal.throwIfAborted();
      } finally {
        signal.removeEventListener("abort", close);
        input.close();
        say("\n");
      }
    });
  },
});

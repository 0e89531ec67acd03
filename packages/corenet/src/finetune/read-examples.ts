import { FormatError } from "@corenet/core";
import type { ChatMessage, ChatTemplate } from "@corenet/formats";
import { instructionPrompt } from "@corenet/openelm";

/** What the model is given, and what it shall answer. */
export interface AnswerExample {
  readonly prompt: string;
  readonly answer: string;
}

/**
 * Examples from JSON lines: `{"prompt", "completion"}`, `{"instruction", "input", "output"}` in the reference's prompt, or
 * `{"messages": [{"role", "content"}]}`, whose last message is the answer, in the model's chat template.
 *
 * @throws FormatError naming the line that is none of these
 */
export function readExamples(text: string, file: string, chat?: ChatTemplate): AnswerExample[] {
  const lines = text.split("\n").map((line, i) => ({ line, number: i + 1 }));
  return lines
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => {
      const refuse = (why: string, cause?: unknown) =>
        new FormatError(
          `finetune: line ${number} of ${file} ${why}, expected {"prompt", "completion"}, {"instruction", "output"} or ` +
            '{"messages"}. Write one object a line.',
          { file, cause },
        );
      let value: Record<string, unknown>;
      try {
        value = JSON.parse(line);
      } catch (cause) {
        throw refuse("is not JSON", cause);
      }
      const { prompt, completion, instruction, input, output, messages } = value ?? {};
      if (typeof prompt === "string" && typeof completion === "string") return { prompt, answer: completion };
      if (typeof instruction === "string" && typeof output === "string") {
        const about = typeof input === "string" ? { input } : {};
        return { prompt: instructionPrompt({ instruction, ...about }), answer: output };
      }
      if (Array.isArray(messages)) return fromMessages(messages as ChatMessage[], chat, refuse);
      throw refuse(`has the keys ${Object.keys(value ?? {}).join(", ") || "of nothing"}`);
    });
}

function fromMessages(
  messages: readonly ChatMessage[],
  chat: ChatTemplate | undefined,
  refuse: (why: string) => FormatError,
): AnswerExample {
  const isTurn = ({ role, content }: ChatMessage) => typeof role === "string" && typeof content === "string";
  if (messages.length < 2 || !messages.every(isTurn) || messages.at(-1)?.role !== "assistant") {
    throw refuse("does not end with a message of the assistant");
  }
  if (!chat) throw refuse("holds messages, and the model has no chat template");
  const prompt = chat(messages.slice(0, -1));
  const whole = chat(messages, { addGenerationPrompt: false });
  if (!whole.startsWith(prompt)) throw refuse("changes its beginning with its end by the chat template");
  return { prompt, answer: whole.slice(prompt.length) };
}

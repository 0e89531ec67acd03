// OpenELM, or any CausalLm with a tokenizer, as a model of the AI SDK (npm `ai`): generateText, streamText, chat UIs.
// Copy this file into your app.
import { Rng } from "@corenet/core";
import { type ChatTemplate, plainChatTemplate, type Tokenizer } from "@corenet/formats";
import { type CausalLm, generateText, PromptCache } from "@corenet/nn";
import type { LanguageModel } from "ai";

type Provided = Extract<LanguageModel, { specificationVersion: "v4" }>;
type CallOptions = Parameters<Provided["doGenerate"]>[0];
type StreamPart =
  Awaited<ReturnType<Provided["doStream"]>>["stream"] extends ReadableStream<infer P> ? P : never;

/** A model that runs in this process. Turns of one conversation read only what is new in them. */
export function corenetModel(
  model: CausalLm,
  tokenizer: Tokenizer,
  { chat = plainChatTemplate, modelId = "openelm" }: { chat?: ChatTemplate; modelId?: string } = {},
): Provided {
  const promptCache = new PromptCache(model);

  /** The pieces of an answer, and at the end how many tokens came in and went out. */
  async function* answer(options: CallOptions) {
    const prompt = chat(messagesOf(options));
    const inputTokens = tokenizer.encode(prompt).length;
    const room = model.contextLength - inputTokens - 1;
    const maxNewTokens = Math.min(options.maxOutputTokens ?? room, room);
    const { temperature, topP, topK, seed, stopSequences, abortSignal } = options;
    let text = "";
    for await (const piece of generateText(model, tokenizer, {
      ...{ prompt, promptCache, maxNewTokens },
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      ...(topK === undefined ? {} : { topK }),
      ...(seed === undefined ? {} : { rng: new Rng(seed) }),
      ...(abortSignal ? { signal: abortSignal } : {}),
      stopStrings: [...(stopSequences ?? []), "\nUser:"],
    })) {
      text += piece;
      yield piece;
    }
    return ending(inputTokens, tokenizer.encode(text).length, maxNewTokens);
  }

  return {
    ...{ specificationVersion: "v4", provider: "corenet", modelId, supportedUrls: {} },
    async doGenerate(options) {
      const pieces = answer(options);
      let text = "";
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return { content: [{ type: "text", text }], ...value, warnings: [] };
        text += value;
      }
    },
    async doStream(options) {
      const pieces = answer(options);
      const id = "0";
      const stream = new ReadableStream<StreamPart>({
        start(controller) {
          controller.enqueue({ type: "stream-start", warnings: [] });
          controller.enqueue({ type: "text-start", id });
        },
        async pull(controller) {
          try {
            const { done, value } = await pieces.next();
            if (!done) return controller.enqueue({ type: "text-delta", id, delta: value });
            controller.enqueue({ type: "text-end", id });
            controller.enqueue({ type: "finish", ...value });
          } catch (error) {
            controller.enqueue({ type: "error", error });
          }
          controller.close();
        },
        cancel: async () => void (await pieces.return(ending(0, 0, 0))),
      });
      return { stream };
    },
  };
}

function ending(inputTokens: number, outputTokens: number, maxNewTokens: number) {
  const unified = outputTokens >= maxNewTokens ? ("length" as const) : ("stop" as const);
  return {
    finishReason: { unified, raw: undefined },
    usage: {
      inputTokens: { total: inputTokens, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: outputTokens, text: outputTokens, reasoning: undefined },
    },
  };
}

/** The texts of a conversation; what is no text is an error, and not left out. */
function messagesOf({ prompt }: CallOptions): { role: string; content: string }[] {
  return prompt.map(({ role, content }) => {
    if (typeof content === "string") return { role, content };
    const texts = content.map((part) => {
      if (part.type === "text") return part.text;
      throw new TypeError(`corenetModel: a message holds a ${part.type}, expected text. Leave it out.`);
    });
    return { role, content: texts.join("") };
  });
}

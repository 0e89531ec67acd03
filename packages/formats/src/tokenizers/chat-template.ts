import { FormatError } from "@corenet/core";

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface ChatTemplateOptions {
  /** What the template knows as `bos_token` and `eos_token`. @default "" */
  bosToken?: string;
  eosToken?: string;
  /** For error texts. @default "chat template" */
  name?: string;
}

/** Turns a conversation into the text that a model was trained on. */
export type ChatTemplate = (
  messages: readonly ChatMessage[],
  options?: {
    /** Whether the text ends where the model is to answer. @default true */
    addGenerationPrompt?: boolean;
    /** Other names that the template uses, such as `tools`. */
    values?: Readonly<Record<string, unknown>>;
  },
) => string;

/**
 * A chat template as it stands in `tokenizer_config.json` (`chat_template`) or `chat_template.jinja`, run by
 * `@huggingface/jinja`.
 *
 * @throws FormatError when the template is not Jinja; from the returned function, when the template refuses the messages
 */
export async function chatTemplate(
  template: string,
  options: ChatTemplateOptions = {},
): Promise<ChatTemplate> {
  const { bosToken = "", eosToken = "", name = "chat template" } = options;
  const { Template } = await import("@huggingface/jinja");
  const failing = <T>(what: string, work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw new FormatError(
        `chatTemplate: ${name} ${what}: ${cause instanceof Error ? cause.message : cause}`,
        {
          file: name,
          cause,
        },
      );
    }
  };
  const parsed = failing("is not a Jinja template", () => new Template(template));

  return (messages, { addGenerationPrompt = true, values = {} } = {}) =>
    failing("refuses these messages", () =>
      parsed.render({
        ...{ messages, add_generation_prompt: addGenerationPrompt, bos_token: bosToken, eos_token: eosToken },
        ...values,
      }),
    );
}

/** A conversation for models that were never taught one: `User: …` and `Assistant: …`, a line each. */
export const plainChatTemplate: ChatTemplate = (messages, { addGenerationPrompt = true } = {}) => {
  const lines = messages.map(
    ({ role, content }) => `${role === "user" ? "User" : "Assistant"}: ${content}\n`,
  );
  return `${lines.join("")}${addGenerationPrompt ? "Assistant:" : ""}`;
};

import { expect, test } from "vitest";
import { chatTemplate, plainChatTemplate } from "./chat-template.ts";

// The template of Llama 2's chat models, shortened.
const llama = `{% if messages[0]['role'] == 'assistant' %}{{ raise_exception('The user must begin.') }}{% endif %}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}
{%- else -%}{{ ' ' + message['content'] + ' ' + eos_token }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %} >{% endif %}`;
const hello = { role: "user", content: "Hello" };

test("writes a conversation as the template says", async () => {
  const render = await chatTemplate(llama, { bosToken: "<s>", eosToken: "</s>" });
  expect(render([hello, { role: "assistant", content: "Hi" }], { addGenerationPrompt: false })).toBe(
    "<s>[INST] Hello [/INST] Hi </s>",
  );
  expect(render([hello])).toBe("<s>[INST] Hello [/INST] >");
});

test("passes other names on", async () => {
  const render = await chatTemplate("{{ tools | length }}");
  expect(render([hello], { values: { tools: [1, 2] } })).toBe("2");
});

test("says what the template refuses, and what is no template", async () => {
  const render = await chatTemplate(llama, { name: "tokenizer_config.json" });
  expect(() => render([{ role: "assistant", content: "Hi" }])).toThrow(
    "tokenizer_config.json refuses these messages: The user must begin.",
  );
  await expect(chatTemplate("{% for %}")).rejects.toThrow("is not a Jinja template");
});

test("a plain conversation for models without a template", () => {
  expect(plainChatTemplate([hello])).toBe("User: Hello\nAssistant:");
  expect(
    plainChatTemplate([hello, { role: "assistant", content: "Hi" }], { addGenerationPrompt: false }),
  ).toBe("User: Hello\nAssistant: Hi\n");
});

import { IoError, type OnProgress } from "@corenet/core";
import {
  type ByteSource,
  borrowedSource,
  byteTokenizer,
  type ChatTemplate,
  chatTemplate,
  loadTokenizer,
  openModelFiles,
  readJson,
  type Tokenizer,
} from "@corenet/formats";
import { lfsrContainer } from "@corenet/lfsr-seed";
import { applyLora, intContainer } from "@corenet/nn";
import { loadLora, loadOpenElm, type OpenElm, type Storage } from "@corenet/openelm";
import { disposeTree, type ParamTree } from "@corenet/tensor";

export interface LanguageModel extends Disposable {
  /** Borrow it: disposing what this belongs to frees it. */
  readonly model: OpenElm;
  readonly tokenizer: Tokenizer;
  /** The model's own form of a conversation, where its files hold one. */
  readonly chat?: ChatTemplate;
}

export interface OpenLanguageModelOptions {
  /** Where the tokenizer lies, if not with the model: as `from`, or one file. */
  tokenizer?: string | undefined;
  /** Adapters that PEFT or `finetune` saved: a folder, or `hf:owner/name`. */
  adapter?: string | undefined;
  /** How matrices are kept. @default "as-is" */
  storage?: Storage | undefined;
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

/**
 * An OpenELM with its tokenizer.
 *
 * @param from - a folder, `hf:owner/name`, or a URL
 * @throws IoError when something cannot be reached, or there is no tokenizer
 * @throws CheckpointError and FormatError as `loadOpenElm`
 */
export async function openLanguageModel(
  from: string,
  options: OpenLanguageModelOptions = {},
): Promise<LanguageModel> {
  const { signal, onProgress, storage = "as-is", adapter } = options;
  const io = { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
  const sources = await openModelFiles(from, io);
  let tokenizer: Tokenizer | undefined;
  let chat: ChatTemplate | undefined;
  try {
    tokenizer = await findTokenizer(sources, options);
    chat = await findChatTemplate(sources);
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
  const packed = [lfsrContainer(), intContainer()];
  const model = await loadOpenElm(sources, { ...io, storage, packed }); // closes the sources
  try {
    tokenizer ??= bytesOf(model, from);
    const adapted = adapter === undefined ? undefined : await adaptedModel(model, adapter, signal);
    return {
      ...{ model: adapted?.model ?? model, tokenizer, ...(chat ? { chat } : {}) },
      [Symbol.dispose]() {
        adapted?.dispose();
        model.dispose();
      },
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** The tokenizer of a model of bytes, which needs no file. */
function bytesOf({ vocabSize }: OpenElm, from: string): Tokenizer {
  if (vocabSize === 256) return byteTokenizer();
  throw new IoError(
    `openLanguageModel: ${from} has no tokenizer.json or tokenizer.model. Published OpenELMs use that of Llama 2 ` +
      "(meta-llama/Llama-2-7b-hf, after accepting its licence): name its folder or file as the tokenizer.",
    { path: from },
  );
}

/** The model with adapters on; it borrows the model's own weights. */
async function adaptedModel(model: OpenElm, adapter: string, signal: AbortSignal | undefined) {
  const { lora, scaling } = await loadLora(adapter, signal ? { signal } : {});
  try {
    return {
      model: model.withParams(applyLora(model.params, lora, scaling)),
      dispose: () => disposeTree(lora as ParamTree),
    };
  } catch (error) {
    disposeTree(lora as ParamTree);
    throw error;
  }
}

async function findTokenizer(
  sources: readonly ByteSource[],
  { tokenizer, signal }: OpenLanguageModelOptions,
): Promise<Tokenizer | undefined> {
  const reading = signal ? { signal } : {};
  if (tokenizer === undefined) {
    const isThere = sources.some(({ name }) => /(?:^|[\\/])tokenizer\.(?:json|model)$/.test(name));
    return isThere ? loadTokenizer(sources, reading) : undefined;
  }
  if (!/^(?:hf:|https?:)/.test(tokenizer)) return loadTokenizer(tokenizer, reading);
  const files = ["tokenizer*.json", "tokenizer.model"];
  const others = await openModelFiles(tokenizer, { ...reading, files });
  try {
    return await loadTokenizer(others, reading);
  } finally {
    await closeAll(others);
  }
}

/** From chat_template.jinja, or else from tokenizer_config.json. */
async function findChatTemplate(sources: readonly ByteSource[]): Promise<ChatTemplate | undefined> {
  const named = (name: string) => sources.find((source) => source.name.split(/[\\/]/).at(-1) === name);
  const file = named("chat_template.jinja");
  const configFile = named("tokenizer_config.json");
  const config = configFile ? await readJson(borrowedSource(configFile)) : {};
  const settings = typeof config === "object" && config !== null ? (config as Record<string, unknown>) : {};
  const text = file ? new TextDecoder().decode(await file.read(0, file.size)) : settings.chat_template;
  if (typeof text !== "string") return undefined;
  const word = (token: unknown) =>
    typeof token === "object" && token !== null && "content" in token
      ? String(token.content)
      : String(token ?? "");
  return chatTemplate(text, {
    ...{ bosToken: word(settings.bos_token), eosToken: word(settings.eos_token) },
    name: (file ?? configFile)?.name ?? "chat template",
  });
}

async function closeAll(sources: readonly ByteSource[]): Promise<void> {
  await Promise.allSettled(sources.map((source) => source.close()));
}

import { FormatError } from "@corenet/core";
import type { ByteSource, ReadOptions } from "./byte-source.ts";
import { fileSource } from "./file-source.ts";
import { parseStrictJson } from "./strict-json.ts";

const maxBytes = 256 * 2 ** 20; // far above any config, index or tokenizer

/**
 * A JSON file, such as `config.json`: a path (Node), or a source, which is closed after.
 *
 * @throws IoError when the file cannot be read
 * @throws FormatError when it is not UTF-8 JSON, has a key twice, or is above 256 MiB
 */
export async function readJson(from: string | ByteSource, options: ReadOptions = {}): Promise<unknown> {
  const source = typeof from === "string" ? await fileSource(from) : from;
  try {
    if (source.size > maxBytes) {
      throw new FormatError(
        `readJson: ${source.name} has ${source.size} bytes, expected at most ${maxBytes}. Is it the right file?`,
        { file: source.name },
      );
    }
    const bytes = await source.read(0, source.size, options);
    return parseStrictJson("readJson", source.name, "the text", bytes);
  } finally {
    await source.close();
  }
}

import { FormatError } from "@corenet/core";

const MOST_DEPTH = 64; // no config, index or tokenizer nests a dozen deep; what recurses over a value must end

/**
 * JSON as RFC 8259 has it, from UTF-8 bytes; unlike `JSON.parse`, it refuses a key that comes twice in one object, and
 * more than 64 lists and objects inside each other.
 *
 * @param what - what is being parsed, for error texts
 * @throws FormatError when it is not UTF-8, not JSON, nests too deep, or a key comes twice
 */
export function parseStrictJson(who: string, file: string, what: string, bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(
      `${who}: ${what} of ${file} is not UTF-8 text. The file is damaged; get it again.`,
      {
        file,
        cause,
      },
    );
  }
  if (isDeeperThan(text, MOST_DEPTH)) {
    throw new FormatError(
      `${who}: ${what} of ${file} nests lists and objects deeper than ${MOST_DEPTH}, expected fewer. ` +
        "It is damaged, or not what it is called; get it from its author again.",
      { file },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(
      `${who}: ${what} of ${file} is not JSON: ${reason}. The file is damaged; get it again.`,
      {
        file,
        cause,
      },
    );
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) {
    throw new FormatError(
      `${who}: ${what} of ${file} has the key ${JSON.stringify(twice)} twice, expected once. ` +
        "Write the file again with a correct program.",
      { file },
    );
  }
  return value;
}

/** Whether lists and objects nest deeper than `most` somewhere in `text`, which may be no JSON at all. */
function isDeeperThan(text: string, most: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') isInString = !isInString;
    else if (isInString) i += char === "\\" ? 1 : 0;
    else if (char === "{" || char === "[") depth += 1;
    else if (char === "}" || char === "]") depth -= 1;
    if (depth > most) return true;
  }
  return false;
}

/** The first key that comes twice in one object of `text`, which is valid JSON. */
function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // keys of each open object; undefined for an array
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "{") open.push(new Set());
    else if (char === "[") open.push(undefined);
    else if (char === "}" || char === "]") open.pop();
    else if (char === '"') {
      const start = i;
      for (i += 1; text[i] !== '"'; i++) if (text[i] === "\\") i += 1;
      const keys = open.at(-1);
      if (!keys || !isBeforeColon(text, i + 1)) continue;
      const key: string = JSON.parse(text.slice(start, i + 1)); // "a" and "\u0061" are one key
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Whether the next character from `from` on, blanks apart, is a colon. */
function isBeforeColon(text: string, from: number): boolean {
  let i = from;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i += 1;
  return text[i] === ":";
}

/** The formats that this package decodes. */
export type ImageFormat = "jpeg" | "png";

/** How many bytes `imageFormat` wants to see. */
export const magicBytes = 8;

const magics: readonly [ImageFormat, readonly number[]][] = [
  ["jpeg", [0xff, 0xd8, 0xff]],
  ["png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
];

/** The format that the first bytes of a file say; undefined when it is none of ours. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  return magics.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0];
}

const orientationTag = 0x0112;
const exifMagic = [0x45, 0x78, 0x69, 0x66, 0, 0]; // "Exif" and two zeros

/**
 * How a picture is to be turned, from the APP1 segment of a JPEG.
 *
 * @param segment - its content, without marker and length
 * @returns 1 to 8 as EXIF counts them; 1, upright, where it does not say or cannot be understood: a picture is worth
 *   more than what is written about it. undefined when the segment is not EXIF: XMP lies in APP1 too
 */
export function exifOrientation(segment: Uint8Array): number | undefined {
  if (!exifMagic.every((byte, i) => segment[i] === byte)) return undefined;
  const tiff = segment.subarray(exifMagic.length);
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const littleEndian = view.getUint16(0) === 0x4949; // "II"; the other order is "MM"

  const directory = view.getUint32(4, littleEndian);
  if (directory + 2 > tiff.length) return 1;
  const count = view.getUint16(directory, littleEndian);
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return 1;
    if (view.getUint16(entry, littleEndian) !== orientationTag) continue;
    const value = view.getUint16(entry + 8, littleEndian);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

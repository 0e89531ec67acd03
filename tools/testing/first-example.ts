/**
 * The first TypeScript block of a Markdown text.
 *
 * @param name - what the error calls it
 * @throws Error when there is none
 */
export function firstExample(markdown: string, name: string): string {
  const code = /```ts\n(.*?)```/s.exec(markdown)?.[1];
  if (code !== undefined) return code;
  throw new Error(`firstExample: the README of ${name} has no ts block, expected one.`);
}

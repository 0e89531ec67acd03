// `npm run new -- NAME "description"`: makes packages/NAME from tools/template and gives it a layer.
import { join } from "node:path";
import { createPackage } from "./template/create-package.ts";

const [name = "", description = "", ...rest] = process.argv.slice(2);
try {
  if (rest.length > 0) {
    throw new Error(
      `new: got ${rest.length + 2} arguments, expected a name and a description. Quote the description.`,
    );
  }
  const files = createPackage(join(import.meta.dirname, ".."), { name, description });
  for (const file of files) console.log(file);
  console.log(
    `new: made packages/${name}. Run \`npm install\` to link it, then \`npm test -- packages/${name}\`.`,
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

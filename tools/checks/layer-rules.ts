import { globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { findCycle } from "./find-cycle.ts";
import { type Import, readImports } from "./imports.ts";

/** The layer of each folder under packages/, counted from the lowest, 0. */
export type LayerTable = Readonly<Record<string, number>>;

interface Package {
  folder: string;
  /** As others import it: "@corenet/nn", or "corenet". */
  name: string;
  layer: number;
  exports: ReadonlySet<string>;
  dependencies: ReadonlySet<string>;
  devDependencies: ReadonlySet<string>;
}

interface SourceFile {
  /** From the root, with forward slashes. */
  path: string;
  /** Tests, benches and examples: never published, so that they may use devDependencies. */
  isTest: boolean;
  imports: readonly Import[];
}

/**
 * Holds packages/* of a repository against the layer table: who imports whom, who names TensorFlow.js, no deep
 * imports, no import cycles, nothing on demand that imports who demands it, and a package.json that says what the sources import.
 *
 * @param root - the repository
 * @returns one line per violation, `file:line: who, what, allowed`; empty when all is well
 */
export function checkLayers(root: string, table: LayerTable): string[] {
  const folders = globSync("packages/*/package.json", { cwd: root }).map(
    (path) => path.split(sep)[1] as string,
  );
  const unknown = folders.filter((folder) => table[folder] === undefined).sort();
  const packages = folders
    .filter((folder) => !unknown.includes(folder))
    .sort()
    .map((folder) => readPackage(root, folder, table[folder] as number));
  return [
    ...unknown.map((folder) => `packages/${folder}: it has no layer. Add it to tools/checks/layers.json.`),
    ...packages.flatMap((it) => checkPackage(root, it, packages)),
  ];
}

function readPackage(root: string, folder: string, layer: number): Package {
  const manifest: {
    name: string;
    exports: Record<string, unknown>;
    dependencies?: Record<string, string>;
    peerDependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
  } = JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8"));
  return {
    folder,
    name: manifest.name,
    layer,
    exports: new Set(Object.keys(manifest.exports)),
    dependencies: new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })),
    devDependencies: new Set(Object.keys(manifest.devDependencies ?? {})),
  };
}

function checkPackage(root: string, it: Package, packages: readonly Package[]): string[] {
  const files = readSources(root, it.folder);
  return [
    ...files.flatMap((file) => file.imports.flatMap((one) => checkImport(root, it, file, one, packages))),
    ...checkManifest(it, files, packages),
    ...checkCycles(root, files),
    ...checkDemand(root, files),
  ];
}

function readSources(root: string, folder: string): SourceFile[] {
  const pattern = `packages/${folder}/{src,test,bench,examples}/**/*.{ts,mts,js,mjs}`;
  return globSync(pattern, { cwd: root })
    .sort()
    .map((path) => ({
      path: path.split(sep).join("/"),
      isTest: /\.test\.ts$/.test(path) || path.split(sep)[2] !== "src",
      imports: readImports(join(root, path)),
    }));
}

function checkImport(
  root: string,
  it: Package,
  file: SourceFile,
  { specifier, line }: Import,
  packages: readonly Package[],
): string[] {
  const complain = (what: string) => [`${file.path}:${line}: ${it.folder} ${what}`];
  if (specifier.startsWith(".")) return checkRelative(root, it, file, specifier, complain);
  if (specifier.startsWith("node:")) return [];
  if (builtinModules.includes(specifier))
    return complain(`imports "${specifier}". Write "node:${specifier}".`);

  const name = packageName(specifier);
  const other = packages.find((candidate) => candidate.name === name);
  if (other) return checkSibling(it, other, file, specifier, packages, complain);

  if (name.startsWith("@tensorflow/") && !mayNameTensorflow(it)) {
    return complain(
      `imports ${name}, allowed: tensor and the backends only. Use what @corenet/tensor exports.`,
    );
  }
  if (file.isTest || it.dependencies.has(name)) return [];
  return complain(`imports ${name}, which its package.json does not declare. Add it to dependencies.`);
}

function checkRelative(
  root: string,
  it: Package,
  file: SourceFile,
  specifier: string,
  complain: (what: string) => string[],
): string[] {
  const target = relative(root, resolve(root, dirname(file.path), specifier)).split(sep);
  if (target[0] === "packages" && target[1] === it.folder) return [];
  if (target[0] === "packages")
    return complain(`reaches into "${specifier}". Import the other package by its name.`);
  return file.isTest ? [] : complain(`imports "${specifier}" from outside its folder. Only tests may.`);
}

function checkSibling(
  it: Package,
  other: Package,
  file: SourceFile,
  specifier: string,
  packages: readonly Package[],
  complain: (what: string) => string[],
): string[] {
  const subpath = specifier === other.name ? "." : `.${specifier.slice(other.name.length)}`;
  if (!other.exports.has(subpath)) {
    return complain(`imports "${specifier}", which ${other.name} does not export. Import "${other.name}".`);
  }
  if (other === it) {
    return file.isTest ? [] : complain(`imports itself by name. Inside a package, import the file itself.`);
  }
  if (file.isTest && it.devDependencies.has(other.name)) return [];

  if (!mayImport(it, other)) {
    const allowed = packages.filter((candidate) => mayImport(it, candidate)).map(({ folder }) => folder);
    return complain(
      `(layer ${it.layer}) imports ${other.folder} (layer ${other.layer}), ` +
        `allowed: ${allowed.join(", ") || "nothing"}${file.isTest ? ", and its devDependencies" : ""}.`,
    );
  }
  if (it.dependencies.has(other.name)) return [];
  const list = file.isTest ? "devDependencies" : "dependencies";
  return complain(`imports ${other.name}, which its package.json does not declare. Add it to ${list}.`);
}

/** Strictly downwards; and backends are for whoever composes a program, so only the umbrella imports one. */
function mayImport(it: Package, other: Package): boolean {
  return other.layer < it.layer && (!isBackend(other) || it.folder === "corenet");
}

function isBackend({ folder }: Package): boolean {
  return folder.startsWith("backend-");
}

function mayNameTensorflow(it: Package): boolean {
  return it.folder === "tensor" || isBackend(it);
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Every package of ours that package.json depends on is imported, and lies below. knip looks at the others. */
function checkManifest(it: Package, files: readonly SourceFile[], packages: readonly Package[]): string[] {
  const imported = new Set(
    files
      .filter(({ isTest }) => !isTest)
      .flatMap(({ imports }) => imports.map(({ specifier }) => packageName(specifier))),
  );
  const where = `packages/${it.folder}/package.json`;
  return packages
    .filter(({ name }) => it.dependencies.has(name))
    .flatMap((other) => {
      if (!mayImport(it, other)) {
        return [
          `${where}: ${it.folder} (layer ${it.layer}) depends on ${other.folder} (layer ${other.layer}). Remove it.`,
        ];
      }
      if (!imported.has(other.name)) {
        return [`${where}: ${it.folder} depends on ${other.name} and imports it nowhere in src. Remove it.`];
      }
      return [];
    });
}

function checkCycles(root: string, files: readonly SourceFile[]): string[] {
  const edges = new Map(files.map((file) => [file.path, targets(root, file, "at once")]));
  const cycle = findCycle(edges);
  return cycle
    ? [`${cycle[0]}: import cycle ${cycle.join(" -> ")}. Move what they share into a file of its own.`]
    : [];
}

/**
 * Where a program keeps the op and not the kernel, Rolldown 1.2 leaves the kernel a chunk of its own if it imports the
 * op's file, and then Vite cannot make a worker of it.
 */
function checkDemand(root: string, files: readonly SourceFile[]): string[] {
  const loaded = new Map(files.map((file) => [file.path, targets(root, file, "at once")]));
  return files.flatMap((file) =>
    targets(root, file, "on demand")
      .filter((path) => loaded.get(path)?.includes(file.path))
      .map(
        (path) =>
          `${path}: it is imported on demand by ${file.path}, and imports it. Move what they share into a file of its own.`,
      ),
  );
}

/** The files of its own package that a file imports so. */
function targets(root: string, { path, imports }: SourceFile, loads: Import["loads"]): string[] {
  const found = imports
    .filter((one) => one.loads === loads && one.specifier.startsWith("."))
    .map(({ specifier }) =>
      relative(root, resolve(root, dirname(path), specifier))
        .split(sep)
        .join("/"),
    );
  return [...new Set(found)];
}

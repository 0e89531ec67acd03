import { CorenetError } from "@corenet/core";
import type { PackedMatrix } from "./packed-matrix.ts";
import { isTensor } from "./raw.ts";
import type { Tensor } from "./types.ts";

/** Leaves in plain objects and arrays. A leaf is anything that is neither. */
export type Tree<L> = L | readonly Tree<L>[] | { readonly [name: string]: Tree<L> };
export type TensorTree = Tree<Tensor>;
/** What a model computes with: matrices may be packed, and gradients reach tensors only. */
export type ParamTree = Tree<Tensor | PackedMatrix>;

type Branch<L> = readonly Tree<L>[] | { readonly [name: string]: Tree<L> };

function isBranch<L>(tree: Tree<L>): tree is Branch<L> {
  if (Array.isArray(tree)) return true;
  if (typeof tree !== "object" || tree === null) return false;
  const prototype = Object.getPrototypeOf(tree);
  return prototype === Object.prototype || prototype === null;
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

/** The leaves with their paths, in the order of the tree: `layers.0.norm.weight`. */
export function* treeEntries<L>(tree: Tree<L>, path = ""): Generator<[path: string, leaf: L]> {
  if (!isBranch(tree)) yield [path, tree];
  else
    for (const [key, child] of Object.entries(tree)) yield* treeEntries<L>(child as Tree<L>, join(path, key));
}

export function treeLeaves<L>(tree: Tree<L>): L[] {
  return Array.from(treeEntries(tree), ([, leaf]) => leaf);
}

/**
 * A tree of the same structure, each leaf replaced by `f(leaf, path)`. When `f` throws, the tensors that it
 * had made are freed.
 */
export function mapTree<P extends Tree<Tensor | PackedMatrix>>(
  tree: P,
  f: (leaf: Tensor, path: string) => Tensor,
): P;
export function mapTree<L, M>(tree: Tree<L>, f: (leaf: L, path: string) => M): Tree<M>;
export function mapTree<L, M>(tree: Tree<L>, f: (leaf: L, path: string) => M): Tree<M> {
  return zipTrees([tree], ([leaf], path) => f(leaf as L, path));
}

/**
 * Several trees of one structure into one: each leaf is `f([leaf of the first, of the second, …], path)`.
 *
 * @throws RangeError when there is no tree, or naming the first path at which they differ
 */
export function zipTrees<P extends TensorTree>(
  trees: readonly P[],
  f: (leaves: Tensor[], path: string) => Tensor,
): P;
export function zipTrees<L, M>(trees: readonly Tree<L>[], f: (leaves: L[], path: string) => M): Tree<M>;
export function zipTrees<L, M>(trees: readonly Tree<L>[], f: (leaves: L[], path: string) => M): Tree<M> {
  if (trees.length === 0) throw new RangeError("zipTrees: got no trees, expected at least one.");
  const made: M[] = [];
  const walk = (nodes: readonly Tree<L>[], path: string): Tree<M> => {
    const first = nodes[0] as Tree<L>;
    if (!isBranch(first)) {
      if (nodes.some(isBranch)) throw mismatch(path, "a leaf in one tree, a branch in another");
      const leaf = f(nodes as L[], path);
      made.push(leaf);
      return leaf;
    }
    const keys = Object.keys(first);
    for (const node of nodes) {
      const other = isBranch(node) ? Object.keys(node) : null;
      if (other === null) throw mismatch(path, "a branch in one tree, a leaf in another");
      if (Array.isArray(node) !== Array.isArray(first))
        throw mismatch(path, "an array in one tree, an object in another");
      if (other.length !== keys.length || !keys.every((key) => Object.hasOwn(node as object, key))) {
        throw mismatch(path, `[${keys}] in one tree, [${other}] in another`);
      }
    }
    const child = (key: string) =>
      walk(
        nodes.map((node) => (node as { [name: string]: Tree<L> })[key] as Tree<L>),
        join(path, key),
      );
    if (Array.isArray(first)) return keys.map(child);
    return Object.fromEntries(keys.map((key) => [key, child(key)]));
  };
  try {
    return walk(trees, "");
  } catch (error) {
    for (const leaf of made) if (isTensor(leaf)) leaf.dispose();
    throw error;
  }
}

/** A tree with the structure of `like` and the leaves of a flat list of paths. */
export function treeFromEntries<L, M>(like: Tree<L>, entries: ReadonlyMap<string, M>): Tree<M> {
  return mapTree(like, (_leaf, path) => {
    if (!entries.has(path)) {
      throw new CorenetError(`treeFromEntries: ${path} is missing, expected one entry for every leaf.`);
    }
    return entries.get(path) as M;
  });
}

/** Frees every tensor and packed matrix of the tree. */
export function disposeTree(tree: ParamTree): void {
  for (const leaf of treeLeaves(tree)) leaf.dispose();
}

function mismatch(path: string, difference: string): RangeError {
  return new RangeError(
    `zipTrees: at "${path || "the root"}" the trees differ: ${difference}. Pass trees of one structure.`,
  );
}

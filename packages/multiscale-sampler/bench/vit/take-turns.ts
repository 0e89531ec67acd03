import type { EndTurn } from "./train-vit.ts";

/**
 * Lets several loops go on in turns, first come first served: what slows the machine down for a while slows them all.
 *
 * @returns waits for a turn, and gives what ends it
 */
export function takeTurns(): () => Promise<EndTurn> {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const before = last;
    let endTurn: EndTurn = () => {};
    last = new Promise((resolve) => {
      endTurn = resolve;
    });
    await before;
    return endTurn;
  };
}

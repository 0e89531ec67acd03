/**
 * Lets everything run that waits for its turn (timers, network, Ctrl-C, the painting of a page), then goes on.
 * A promise alone does not: promises go before all of these. Costs some microseconds, unlike `setTimeout(0)`, which
 * browsers stretch to milliseconds.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    // Node: a message port would keep the process alive and goes before timers.
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

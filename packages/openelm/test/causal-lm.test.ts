import { causalLmSuite } from "../../../tools/testing/causal-lm-suite.ts";
import { createEdge, edges, loadTiny } from "./models.ts";

causalLmSuite("OpenElm (tiny)", { create: loadTiny });
for (const name of Object.keys(edges)) causalLmSuite(`OpenElm, ${name}`, { create: () => createEdge(name) });

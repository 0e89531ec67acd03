// corenet needs no setting. These headers give it threads; a server in production sends them too.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default { server: { headers }, preview: { headers } };

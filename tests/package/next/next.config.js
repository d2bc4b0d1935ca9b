// Next.js itself is not in the consumer's folder, so its root is a folder that both are in.
export default { turbopack: { root: '/' } };

// Next.js is installed outside of the consumer's folder, so the root is a folder that contains both.
export default { turbopack: { root: '/' } };

/**
 * For the tests, an argument of Chromium's without its dashes and of the package webgpu. SwiftShader compiles a store for
 * every word of workgroup memory that is to be 0 at first, for which it takes half a minute; the kernels do not read what
 * they did not write.
 */
export const dawnFeatures = 'enable-dawn-features=disable_workgroup_init';

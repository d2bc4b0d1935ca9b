/** The version of the package, for the files that it writes. A test compares it with package.json. */
export const PACKAGE_VERSION = '0.2.0';

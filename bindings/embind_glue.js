/* global addToLibrary, Module */
// A library for Emscripten's linker, which replaces parts of Embind's glue. The bindings pass numbers alone, each function is
// registered once, and all of its types are known, so that most of the glue has no use: 7 kB of it, and a need for a TextDecoder,
// which AudioWorklets and jsdom lack.
addToLibrary({
  // Other types use the constant too, and leave it to this one to name it.
  _embind_register_bool__deps: ['$GenericWireTypeSize'],
  _embind_register_bool: () => {},
  _embind_register_std_string__deps: [],
  _embind_register_std_string: () => {},
  _embind_register_std_wstring__deps: [],
  _embind_register_std_wstring: () => {},
  _embind_register_memory_view__deps: [],
  _embind_register_memory_view: () => {},
  _embind_register_emval__deps: [],
  _embind_register_emval: () => {},

  // Embind's own make overloads.
  $exposePublicSymbol__deps: [],
  $exposePublicSymbol: (name, value) => {
    Module[name] = value;
  },
  $replacePublicSymbol__deps: [],
  $replacePublicSymbol: (name, value) => {
    Module[name] = value;
  },

  // Embind's own have classes of errors, and name the types.
  $throwBindingError__deps: [],
  $throwBindingError: (message) => {
    throw new Error(message);
  },
  $throwInternalError__deps: [],
  $throwInternalError: (message) => {
    throw new Error(message);
  },
  $throwUnboundTypeError__deps: [],
  $throwUnboundTypeError: (message) => {
    throw new Error(message);
  },
});

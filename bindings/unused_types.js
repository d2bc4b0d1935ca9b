/* global addToLibrary */
// A library for Emscripten's linker. The bindings pass numbers alone, but Embind registers strings, memory views and JavaScript
// values in every module: 9 kB of glue that needs a TextDecoder, which AudioWorklets and jsdom lack. Here they register nothing.
addToLibrary({
  _embind_register_std_string__deps: [],
  _embind_register_std_string: () => {},
  _embind_register_std_wstring__deps: [],
  _embind_register_std_wstring: () => {},
  _embind_register_memory_view__deps: [],
  _embind_register_memory_view: () => {},
  _embind_register_emval__deps: [],
  _embind_register_emval: () => {},
});

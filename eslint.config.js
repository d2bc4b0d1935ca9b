import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['.toolchain/', '**/build/', 'dist/'] },
  eslint.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: [
          'tsconfig.json',
          'cli/tsconfig.json',
          'tests/tsconfig.json',
          'web-demo/tsconfig.json',
          'web-demo/src/service-worker/tsconfig.json',
        ],
      },
    },
  },
  // Tests hand over what has no type that fits: it is what many of them are about.
  {
    files: ['tests/**'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
    },
  },
  // Values there are used as types alone.
  { files: ['tests/package/types/**'], rules: { '@typescript-eslint/no-unused-vars': 'off' } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);

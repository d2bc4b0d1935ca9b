// An ESLint rule: a file imports only what its room lists. The rooms are in eslint.config.js.

import { join, posix, relative, sep } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Whether a path without its extension, or the name of a package, is `place`, or in it where that ends as 'js/', 'node:'. */
const isIn = (name, place) => (/[/:]$/.test(place) ? name.startsWith(place) : name === place);

const withoutExtension = (path) => path.replace(/(\.d)?\.[mc]?[jt]s$/, '');

export const importsRule = {
  meta: {
    type: 'problem',
    schema: false,
    messages: { refused: '{{room}} imports {{imported}}, and eslint.config.js lets it import {{imports}}.' },
  },
  create(context) {
    const file = relative(root, context.filename).replaceAll(sep, '/');
    const found = context.options[0].find(({ room }) => isIn(withoutExtension(file), room));
    if (found === undefined) return {};
    const { room, imports } = found;
    const check = ({ source }) => {
      const name = source?.value;
      if (typeof name !== 'string') return;
      const isPath = name.startsWith('.');
      const imported = isPath ? withoutExtension(posix.join(posix.dirname(file), name)) : name;
      if (imports.some((place) => (place === '*' ? !isPath : isIn(imported, place)))) return;
      context.report({
        node: source,
        messageId: 'refused',
        data: { room, imported, imports: imports.join(', ') || 'nothing' },
      });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};

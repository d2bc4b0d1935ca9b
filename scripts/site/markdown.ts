/** Pages of Markdown as HTML, with the anchors that GitHub gives to headings, and links to the pages of the site. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import MarkdownIt, { type Token } from 'markdown-it';
import anchor from 'markdown-it-anchor';
import { createHighlighter } from 'shiki';

const THEMES = { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' };
const LANGUAGES = ['bash', 'css', 'html', 'js', 'json', 'ts', 'tsx', 'python', 'yaml', 'nginx', 'apache'];

export interface Rendered {
  /** The first heading, as text. */
  title: string;
  html: string;
}

/** @param root the folder of the repository, in which links to files are looked up */
export async function renderer(root: string): Promise<(source: string, text: string) => Rendered> {
  const highlighter = await createHighlighter({ themes: Object.values(THEMES), langs: LANGUAGES });
  const known = new Set(highlighter.getLoadedLanguages());
  const markdown = new MarkdownIt({
    html: true,
    highlight: (code, language) =>
      highlighter.codeToHtml(code.trimEnd(), {
        lang: known.has(language) ? language : 'text',
        themes: THEMES,
        defaultColor: 'light-dark()',
      }),
  });
  markdown.use(anchor, { slugify: slugOf, tabIndex: false });
  // An indented block is one of text: highlighted blocks can be scrolled by the keyboard.
  markdown.renderer.rules['code_block'] = (tokens, i) => markdown.options.highlight!(tokens[i]!.content, 'text', '');

  return (source, text) => {
    const tokens = markdown.parse(text, {});
    const heading = tokens.findIndex(({ type, tag }) => type === 'heading_open' && tag === 'h1');
    if (heading === -1) throw new Error(`${source} has no first heading`);
    const all = tokens.flatMap((one) => [one, ...(one.children ?? [])]);
    for (const [i, token] of all.entries()) {
      if (token.type === 'link_open') {
        const address = addressOf(root, source, String(token.attrGet('href')));
        if (address === null) {
          token.attrs = [];
          retag(all, i, 'link_close', 'span');
        } else token.attrSet('href', address);
      }
      // A wide table scrolls by itself, so the keyboard must reach it.
      if (token.type === 'table_open') token.attrSet('tabindex', '0');
      // A heading without text says nothing to a screen reader.
      if (token.type === 'th_open' && all[i + 1]!.content === '') {
        retag(all, i, 'th_close', 'td');
      }
    }
    return { title: textOf(tokens[heading + 1]!), html: markdown.renderer.render(tokens, markdown.options, {}) };
  };
}

function textOf({ children }: Token): string {
  return (children ?? []).map(({ content }) => content).join('');
}

/** Gives another tag to an element, from its opening token to the next of the closing type. */
function retag(tokens: readonly Token[], opening: number, closing: string, tag: string): void {
  for (const end of [tokens[opening]!, tokens.slice(opening).find(({ type }) => type === closing)!]) end.tag = tag;
}

/** @returns the page of the site for a file of Markdown */
export function toPage(file: string): string {
  return file.replace(/README\.md$/, 'index.html').replace(/\.md$/, '.html');
}

/** As GitHub makes anchors: small letters, no punctuation, hyphens for blanks. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

/** @returns the address in the site of what a page of Markdown links to; null for code, which is not in the site */
function addressOf(root: string, source: string, href: string): string | null {
  if (/^(?:[a-z]+:|#)/.test(href)) return href;
  const [file, fragment] = href.split('#') as [string, string?];
  const target = path.join(path.dirname(source), file);
  if (!existsSync(path.join(root, target))) throw new Error(`${source} links to ${href}`);
  if (!/^docs\/|\.md$|^LICENSE$/.test(target)) return null;
  const page = toPage(file);
  return fragment === undefined ? page : `${page}#${fragment}`;
}

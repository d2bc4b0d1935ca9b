/** What the pages of the site have around them. */

export interface Page {
  /** From the root of the site. */
  address: string;
  title: string;
  html: string;
}

const NAME = 'multilabel-margin-loss';

/** Pages by the groups of the navigation. Those that `first` names come first, the others by their addresses. */
const GROUPS: readonly { title: string; first?: readonly string[]; includes: (address: string) => boolean }[] = [
  {
    title: 'Guides',
    first: ['docs/guides/tagger.html', 'docs/guides/text-tagger.html'],
    includes: (address) => address.startsWith('docs/guides/'),
  },
  {
    title: 'In depth',
    first: ['docs/loss.html', 'docs/training.html', 'docs/evaluation.html'],
    includes: (address) => address.startsWith('docs/') && !/architecture/.test(address),
  },
  { title: 'The project', includes: (address) => address !== 'index.html' },
];

export const searchPage: Page = {
  address: 'search.html',
  title: 'Search',
  html: `<h1 data-pagefind-ignore>Search</h1>
<div id="search" data-pagefind-ignore></div>
<noscript><p>The search needs JavaScript.</p></noscript>
<link rel="stylesheet" href="pagefind/pagefind-ui.css" />
<script src="pagefind/pagefind-ui.js" defer></script>
<script src="assets/search.js" defer></script>`,
};

export function pageOf({ address, title, html }: Page, pages: readonly Page[]): string {
  const up = '../'.repeat(address.split('/').length - 1);
  const link = (to: string, text: string): string =>
    `<a href="${up}${to}"${to === address ? ' aria-current="page"' : ''}>${text}</a>`;
  const isFront = address === 'index.html';
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${isFront ? `${NAME}: train and evaluate multi-label models in TypeScript` : `${escape(title)} – ${NAME}`}</title>
    <link rel="icon" href="${up}demo/icon.svg" />
    <link rel="stylesheet" href="${up}assets/site.css" />
  </head>
  <body${isFront ? ' class="front"' : ''}>
    <a class="skip" href="#content">To the content</a>
    <header>
      <a class="name" href="${up}index.html">${NAME}</a>
      <nav aria-label="Site">
        ${link(guideAddress(pages), 'Guide')}
        ${link('reference/index.html', 'Reference')}
        ${link('demo/index.html', 'Demo')}
        ${link('search.html', 'Search')}
      </nav>
    </header>
    <div class="columns">
      ${isFront ? '' : navigation(pages, link)}
      <main id="content">
${html}
      </main>
    </div>
  </body>
</html>
`;
}

function guideAddress(pages: readonly Page[]): string {
  return groupsOf(pages)[0]!.pages[0]!.address;
}

function groupsOf(pages: readonly Page[]): { title: string; pages: Page[] }[] {
  let rest = [...pages];
  return GROUPS.map(({ title, first = [], includes }) => {
    const inside = rest.filter(({ address }) => includes(address));
    rest = rest.filter((page) => !inside.includes(page));
    const rank = ({ address }: Page): number => (first.includes(address) ? first.indexOf(address) : first.length);
    return { title, pages: inside.sort((a, b) => rank(a) - rank(b) || (a.address < b.address ? -1 : 1)) };
  }).filter((group) => group.pages.length > 0);
}

function navigation(pages: readonly Page[], link: (to: string, text: string) => string): string {
  const groups = groupsOf(pages).map(
    (group) =>
      `<h2>${group.title}</h2>
        <ul>
          ${group.pages.map(({ address, title }) => `<li>${link(address, escape(title))}</li>`).join('\n          ')}
        </ul>`,
  );
  return `<nav class="pages" aria-label="Pages">
        ${groups.join('\n        ')}
      </nav>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

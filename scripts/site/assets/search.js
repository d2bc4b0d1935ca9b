// The search page: Pagefind's own interface, with what was asked in the address.
/* global PagefindUI, URLSearchParams, document, location */
const ui = new PagefindUI({ element: '#search', showImages: false, showSubResults: true, autofocus: true });
document.querySelector('#search input').setAttribute('aria-label', 'Search');
const query = new URLSearchParams(location.search).get('q');
if (query !== null) ui.triggerSearch(query);

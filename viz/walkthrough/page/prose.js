// The author's texts, which Python took apart into blocks and spans.

function proseOf(blocks) {
  return blocks.map(([kind, ...content]) => {
    if (kind === 'ul')
      return el(
        'ul',
        {},
        content.map((item) => el('li', {}, item.map(spanOf))),
      );
    if (kind === 'ask') {
      const [question, answer] = content;
      return el('details', { class: 'ask' }, el('summary', {}, question.map(spanOf)), el('p', {}, answer.map(spanOf)));
    }
    return el(kind === 'pre' ? 'pre' : 'p', {}, content.map(spanOf));
  });
}

function spanOf(span) {
  if (typeof span === 'string') return span;
  const [kind, text, target] = span;
  if (kind === 'a') return linkTo(target, text);
  return el({ code: 'code', strong: 'strong', em: 'em' }[kind], {}, text);
}

// A frame in a notebook has no address of its own, so a link within the page is not left to the browser.
function linkTo(target, text) {
  const within = (event) => {
    event.preventDefault();
    follow(target);
  };
  return el('a', target.startsWith('#') ? { href: target, onclick: within } : { href: target }, text);
}

function notesAt(notes, t) {
  const told = (notes || []).filter((note) => note.t == null || note.t === t);
  return told.map((note) => el('aside', { class: 'note prose' }, proseOf(note.text)));
}

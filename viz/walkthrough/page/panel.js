// The panel: what happens at a step, in words, as an equation, and in numbers.

const opened = {};

function showInPanel(step, t, go) {
  const panel = find('panel');
  const focused = panel.contains(document.activeElement);
  panel.className = step.phase;
  panel.replaceChildren(...(step.phase === 'loss' ? lossPanel(t, go) : boxPanel(step, t, go)));
  drawMaps(panel);
  if (focused) panel.querySelector('h2').focus({ preventScroll: true });
}

function heading(step, t, title) {
  const own = step.phase !== 'loss' && data.boxes[step.box].step;
  const when = data.runs.length > 1 ? ` · ${timeName(t)}` : Number.isInteger(own) ? ` · step ${own}` : '';
  return [el('p', { class: 'phase' }, `${step.phase}${when}`), el('h2', { tabindex: -1 }, title)];
}

function timeName(t) {
  const label = data.labels ? ` ${quoted(data.labels[t])}` : '';
  return `t = ${t}${label}`;
}

function quoted(label) {
  return { ' ': '␣', '\n': '⏎', '\t': '⇥' }[label] || label;
}

function boxPanel(step, t, go) {
  const box = data.boxes[step.box];
  const forward = step.phase === 'forward';
  const about = forward ? box.about : box.aboutBackward;
  return [
    ...heading(step, t, box.title),
    el(
      'p',
      { class: 'module' },
      box.module !== box.title ? box.module : servedBy(step.box).trim(),
      box.kind === 'input' ? box.note : '',
      box.tag ? ` weights ${box.tag}` : '',
    ),
    ...notesAt(box.notes && box.notes[step.phase], t),
    box.description ? el('p', { class: 'own' }, box.description) : null,
    about ? el('p', { class: 'about' }, about) : null,
    ...(forward ? forwardValues(step.box, box, t, go) : backwardValues(step.box, box, t, go)),
    ...unfolded(box),
  ]
    .flat()
    .filter(Boolean);
}

function equations(lines) {
  return lines.length
    ? el(
        'div',
        { class: 'equations' },
        lines.map((line) => el('p', { class: 'equation' }, line)),
      )
    : null;
}

function edgesInto(i) {
  return data.edges.map((edge, k) => [edge, k]).filter(([edge]) => edge.head === i);
}

function edgesFrom(i) {
  return data.edges.map((edge, k) => [edge, k]).filter(([edge]) => edge.tail === i);
}

function forwardValues(i, box, t, go) {
  const run = data.runs[t];
  const symbols = box.symbols || [];
  const into = edgesInto(i).filter(([edge]) => !edge.feedback);
  const inputs = into.map(([edge, k], n) => {
    const symbol = into.length === symbols.length ? symbols[n] : `${data.boxes[edge.tail].title}${edge.part}`;
    const tail = data.boxes[edge.tail];
    const open = () => go(edge.tail, 'forward');
    return tail.title === symbol
      ? valueFigure(run.values[k], symbol, null, open)
      : valueFigure(run.values[k], symbol, [' from ', link(tail.title, open)]);
  });
  return [
    equations(box.equation ? [box.equation] : []),
    cameFrom(i, t, go),
    group(inputs.length > 1 ? 'Inputs' : 'Input', inputs),
    group(box.kind === 'input' ? 'Value' : 'Output', [valueFigure(run.outputs[i], outputName(box), usedBy(i, go))]),
    parameterGroup(box, 'Parameters', box.parameters, ''),
  ];
}

function outputName(box) {
  return box.output || box.title;
}

// Where a state comes from, in a run over time.
function cameFrom(i, t, go) {
  const [found] = edgesInto(i).filter(([edge]) => edge.feedback);
  if (!found) return null;
  if (t === 0)
    return el(
      'p',
      { class: 'about' },
      'This is the state at the start. At later steps it is what the step before gave.',
    );
  const tail = found[0].tail;
  return el(
    'p',
    { class: 'about' },
    'It comes from the step before: ',
    link(data.boxes[tail].title, () => go(tail, 'forward', t - 1)),
    ` at t = ${t - 1}.`,
  );
}

function usedBy(i, go) {
  const heads = [
    ...new Set(
      edgesFrom(i)
        .filter(([edge]) => !edge.feedback)
        .map(([edge]) => edge.head),
    ),
  ];
  if (!heads.length || heads.length > 6) return null;
  return [
    ' to ',
    heads.map((head, n) => [
      n ? ', ' : '',
      link(data.boxes[head].title, () => (data.boxes[head].kind === 'output' ? go(null, 'loss') : go(head, 'forward'))),
    ]),
  ];
}

function link(text, onclick) {
  return el('button', { type: 'button', class: 'link', onclick }, text);
}

function group(title, figures) {
  return figures.length ? el('section', { class: 'values' }, el('h3', {}, title), figures) : null;
}

function parameterGroup(box, title, references, mark) {
  const names = Object.keys(references || {});
  return names.length
    ? group(
        title,
        names.map((name) => valueFigure(references[name], mark + name)),
      )
    : null;
}

function lossPanel(t, go) {
  const { loss } = data;
  const run = data.runs[t];
  const ends = data.edges.map((edge, k) => [edge, k]).filter(([edge]) => data.boxes[edge.head].kind === 'output');
  const name = (edge) => `${data.boxes[edge.tail].title}${edge.part}`;
  return [
    ...heading({ phase: 'loss' }, t, 'The loss'),
    ...notesAt(loss.notes, t),
    el('p', { class: 'about' }, loss.about),
    equations([loss.equation]),
    loss.value == null ? null : el('p', { class: 'loss-value' }, 'L = ', el('strong', {}, shown(Number(loss.value)))),
    group(
      'Outputs',
      ends.map(([edge, k]) =>
        valueFigure(run.values[k], name(edge), [
          ' from ',
          link(data.boxes[edge.tail].title, () => go(edge.tail, 'forward')),
        ]),
      ),
    ),
    group(
      'Gradients that start backward',
      ends.map(([edge, k]) =>
        valueFigure(run.backward[k], `∂${name(edge)}`, [
          ' to ',
          link(data.boxes[edge.tail].title, () => go(edge.tail, 'backward')),
        ]),
      ),
    ),
    el('p', { class: 'quiet' }, '∂a is short for ∂L/∂a: by how much the loss L grows when a grows by a little.'),
  ].filter(Boolean);
}

// What can be unfolded stays unfolded from step to step.
function folding(key, title, content) {
  const details = el('details', { open: Boolean(opened[key]) }, el('summary', {}, title), content);
  details.addEventListener('toggle', () => {
    opened[key] = details.open;
    if (details.open) drawMaps(details);
  });
  return details;
}

function unfolded(box) {
  return [
    box.line ? folding('line', `The line that made it, ${box.place}`, [el('pre', {}, el('code', {}, box.line))]) : null,
    box.source
      ? folding('source', `How ${box.module.split('(')[0]} computes`, [el('pre', {}, el('code', {}, box.source))])
      : null,
  ];
}

// The time lines: a mark for every step, for a run over time a second one for the steps in time, and the buttons.

function startTimeline(steps, actions) {
  const bar = find('bar');
  const button = (id, label, text, onclick) => el('button', { type: 'button', id, 'aria-label': label, onclick }, text);
  const buttons = el('div', { class: 'buttons' }, [
    button('back', 'Back', '◀', () => actions.track.move(-1)),
    button('play', 'Play', '▶', actions.play),
    button('next', 'Next', 'next ▶', () => actions.track.move(1)),
  ]);
  const marks = steps.map((step) => el('span', { class: `mark ${step.phase}${hasNote(step) ? ' noted' : ''}` }));
  const track = slider('track', 'Step', marks, (i) => stepName(steps[i]), actions.track);
  const names = el(
    'div',
    { class: 'phases', 'aria-hidden': 'true' },
    el('span', { class: 'forward' }, 'forward →'),
    el('span', { class: 'loss' }, 'loss'),
    el('span', { class: 'backward' }, '← backward'),
  );
  const where = el('p', { id: 'where', 'aria-live': 'polite' });
  if (data.runs.length > 1) {
    const cells = data.runs.map(() => el('span', { class: 'moment' }));
    bar.append(
      el(
        'div',
        { class: 'line' },
        el('span', { class: 'word' }, 'time'),
        slider('moments', 'Step in time', cells, timeName, actions.moments),
      ),
    );
  }
  bar.append(el('div', { class: 'line' }, buttons, el('div', { class: 'steps' }, track, names)), where);
}

// The names of the steps in time, as many as there is room for: all, or every second, fifth, tenth and so on.
function tellMoments() {
  const last = data.runs.length - 1;
  for (const row of document.querySelectorAll('#moments, .moments')) {
    const room = row.clientWidth / (last + 1);
    const needed = data.labels ? 8 : 9 * String(last).length + 4;
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((n) => n * room >= needed) || last + 1;
    row.classList.toggle('sparse', every > 1);
    [...row.children].forEach((cell, t) => {
      const told = t % every === 0 && (!data.labels || every === 1);
      cell.textContent = !told ? '' : data.labels ? quoted(data.labels[t]) : String(t);
      cell.classList.toggle('told', told);
    });
  }
}

function hasNote(step) {
  const notes = step.phase === 'loss' ? data.loss.notes : (data.boxes[step.box].notes || {})[step.phase];
  return Boolean(notes && notes.length);
}

function stepName(step) {
  if (step.phase === 'loss') return 'the loss';
  const box = data.boxes[step.box];
  return `${step.phase}: ${box.title}${servedBy(step.box)}${Number.isInteger(box.step) ? ` in step ${box.step}` : ''}`;
}

// For a box without a name of its own the one that alone takes its output, where that has one: such as " for in_gate".
function servedBy(i) {
  const heads = [...new Set(edgesFrom(i).map(([edge]) => data.boxes[edge.head]))];
  const told = data.boxes[i].title === data.boxes[i].module && heads.length === 1 && heads[0].title !== heads[0].module;
  return told && heads[0].kind !== 'output' ? ` for ${heads[0].title}` : '';
}

// A row of marks of which one is chosen, by pointer or by keys.
function slider(id, label, marks, name, { choose, move }) {
  const row = el(
    'div',
    {
      id,
      class: 'slider',
      role: 'slider',
      tabindex: 0,
      'aria-label': label,
      'aria-valuemin': 1,
      'aria-valuemax': marks.length,
    },
    marks,
  );
  const at = (event) => {
    const box = row.getBoundingClientRect();
    return Math.max(0, Math.min(marks.length - 1, Math.floor(((event.clientX - box.left) / box.width) * marks.length)));
  };
  row.addEventListener('pointerdown', (event) => {
    row.setPointerCapture(event.pointerId);
    choose(at(event));
  });
  row.addEventListener('pointermove', (event) => {
    if (row.hasPointerCapture(event.pointerId)) choose(at(event));
    showTip(name(at(event)), event.clientX, row.getBoundingClientRect().top);
  });
  row.addEventListener('pointerleave', hideTip);
  row.addEventListener('keydown', (event) => {
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const end = { Home: 0, End: marks.length - 1 }[event.key];
    if (event.shiftKey || (!direction && end == null)) return;
    event.preventDefault();
    event.stopPropagation();
    if (direction) move(direction);
    else choose(end);
  });
  row.choice = (i) => {
    marks.forEach((mark, k) => {
      mark.classList.toggle('now', k === i);
      mark.classList.toggle('done', k < i);
    });
    row.setAttribute('aria-valuenow', i + 1);
    row.setAttribute('aria-valuetext', name(i));
    const box = marks[i].getBoundingClientRect();
    const outer = row.getBoundingClientRect();
    if (box.left < outer.left || box.right > outer.right)
      marks[i].scrollIntoView({ block: 'nearest', inline: 'center' });
  };
  return row;
}

function showInTimeline(steps, i, t, playing) {
  find('track').choice(i);
  if (find('moments')) find('moments').choice(t);
  const when = data.runs.length > 1 ? el('span', { class: 'when' }, `${timeName(t)}, `) : '';
  find('where').replaceChildren(when, `step ${i + 1} of ${steps.length}: ${stepName(steps[i])}`);
  find('play').textContent = playing ? '❚❚' : '▶';
  find('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
}

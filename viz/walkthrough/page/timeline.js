// The time lines: a mark for every step, for a run over time a second one for the steps in time, and the buttons.

function startTimeline(steps, actions) {
  const bar = find('bar');
  const button = (id, label, text, onclick) => el('button', { type: 'button', id, 'aria-label': label, onclick }, text);
  const buttons = el('div', { class: 'buttons' }, [
    button('back', 'Back', '◀', actions.back),
    button('play', 'Play', '▶', actions.play),
    button('next', 'Next', 'next ▶', actions.next),
  ]);
  const marks = steps.map((step) => el('span', { class: `mark ${step.phase}${hasNote(step) ? ' noted' : ''}` }));
  const track = slider('track', 'Step', marks, actions.step, (i) => stepName(steps[i]));
  const names = el(
    'div',
    { class: 'phases', 'aria-hidden': 'true' },
    el('span', { class: 'forward' }, 'forward →'),
    el('span', { class: 'loss' }, 'loss'),
    el('span', { class: 'backward' }, '← backward'),
  );
  const where = el('p', { id: 'where', 'aria-live': 'polite' });
  if (data.runs.length > 1) {
    const cells = data.runs.map((_, t) =>
      el('span', { class: 'moment' }, data.labels ? quoted(data.labels[t]) : String(t)),
    );
    bar.append(
      el(
        'div',
        { class: 'line' },
        el('span', { class: 'word' }, 'time'),
        slider('moments', 'Step in time', cells, actions.time, timeName),
      ),
    );
  }
  bar.append(el('div', { class: 'line' }, buttons, el('div', { class: 'steps' }, track, names)), where);
}

function hasNote(step) {
  const notes = step.phase === 'loss' ? data.loss.notes : (data.boxes[step.box].notes || {})[step.phase];
  return Boolean(notes && notes.length);
}

function stepName(step) {
  if (step.phase === 'loss') return 'the loss';
  const box = data.boxes[step.box];
  return `${step.phase}: ${box.title}${Number.isInteger(box.step) ? ` in step ${box.step}` : ''}`;
}

// A row of marks of which one is chosen, by pointer or by the keys of the page.
function slider(id, label, marks, choose, name) {
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
  const when = data.runs.length > 1 ? `${timeName(t)}, ` : '';
  find('where').textContent = `${when}step ${i + 1} of ${steps.length}: ${stepName(steps[i])}`;
  find('play').textContent = playing ? '❚❚' : '▶';
  find('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
}

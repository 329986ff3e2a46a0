// A run over time at one glance: states and gates as heat maps, and how far back gradients reach.

const moment = { t: null };

function startOverTime(go) {
  const { maps, norms } = data.overTime;
  const section = find('time');
  section.hidden = false;
  section.style.setProperty('--width', 1 / data.runs.length);
  section.append(el('h2', {}, 'Over time'));
  if (maps.length) {
    section.append(
      el(
        'p',
        { class: 'about' },
        'Each column is a step in time, each row a unit, of the first sample. Purple is below zero, green above. ',
        'Choose a column to go there.',
      ),
    );
    section.append(
      el(
        'div',
        { class: 'lanes' },
        labelLane(),
        maps.map((map) => lane(map, go)),
      ),
    );
  }
  if (norms.length) section.append(...normCharts(norms, go));
  drawMaps(section);
}

function labelLane() {
  const row = el(
    'div',
    { class: 'lane-map moments' },
    data.runs.map(() => el('span')),
  );
  return el('div', { class: 'lane labels', 'aria-hidden': 'true' }, el('span', { class: 'lane-name' }, 't'), row);
}

function lane(map, go) {
  const entry = data.arrays[map.map];
  const layout = layoutOf(entry);
  const columns = data.runs.length;
  const fixed = { ...layout, rows: layout.numbers.length / columns, columns, single: false };
  const tell = (i) => `${map.name}, ${timeName(i % columns)}, ${layout.tell(i)}`;
  const canvas = canvasMap({ ...fixed, tell }, `${map.name} over time`, {
    wide: true,
    least: map.role === 'belt' ? 56 : 36,
    scale: map.scale,
    onpick: (t) => go(map.box, null, t),
  });
  const [least, most] = entry.stats.map((number) => shown(Number(number)));
  const about = { belt: 'carried on', gate: '', state: 'hidden state' }[map.role];
  return el(
    'div',
    { class: `lane ${map.role}${map.first ? ' first' : ''}` },
    el(
      'div',
      { class: 'lane-name' },
      link(map.name, () => go(map.box, null, moment.t)),
      about ? el('span', { class: 'quiet' }, about) : null,
      el('span', { class: 'quiet' }, `${least} to ${most}`),
    ),
    el('div', { class: 'lane-map' }, canvas),
  );
}

function showOverTime(t) {
  moment.t = t;
  const section = find('time');
  section.style.setProperty('--moment', t / data.runs.length);
  for (const line of section.querySelectorAll('.moment-line')) {
    line.setAttribute('x1', line.at(t));
    line.setAttribute('x2', line.at(t));
  }
  section.querySelectorAll('.lane.labels .lane-map span').forEach((span, k) => span.classList.toggle('now', k === t));
}

// How large the gradients of the states are at each step: from the last step's loss alone, and from all steps'.
function normCharts(norms, go) {
  const all = (name) => norms.map((norm) => ({ name: norm.name, values: norm[name].map(Number) }));
  const same = norms.every((norm) => norm.last.every((size, t) => size === norm.all[t]));
  const zeros = norms.some((norm) => [...norm.last, ...norm.all].includes(0));
  return [
    el('h3', {}, 'How far back does the error reach?'),
    el(
      'p',
      { class: 'about' },
      'The size of the gradient at each step in time, on a scale of powers of ten. ',
      'A line that falls steeply to the left is a gradient that vanishes; one that stays level is carried. ',
      same ? 'Here the loss looks at the last step alone. ' : '',
      zeros ? 'A gradient of zero has no place on such a scale, and is left out.' : '',
    ),
    el(
      'div',
      { class: 'charts' },
      chart('From the last step alone', all('last'), go),
      same ? null : chart('From all steps', all('all'), go),
    ),
    normTable(norms, same),
  ];
}

const CHART = { height: 230, left: 46, right: 96, top: 14, bottom: 26 };

function chart(title, lines, go) {
  const { height, left, right, top, bottom } = CHART;
  const width = Math.min(460, find('time').clientWidth - 26);
  const sizes = lines.flatMap((line) => line.values).filter((value) => value > 0 && Number.isFinite(value));
  if (!sizes.length)
    return el(
      'figure',
      { class: 'chart' },
      el('figcaption', {}, title),
      el('p', { class: 'quiet' }, 'All gradients are zero.'),
    );
  const ends = [Math.floor(Math.log10(Math.min(...sizes))), Math.ceil(Math.log10(Math.max(...sizes)) + 1e-9)];
  if (ends[0] === ends[1]) ends[1] += 1;
  const steps = data.runs.length;
  const x = (t) => left + (steps > 1 ? (t / (steps - 1)) * (width - left - right) : 0);
  const y = (value) => top + ((ends[1] - Math.log10(value)) / (ends[1] - ends[0])) * (height - top - bottom);
  const every = Math.ceil((ends[1] - ends[0]) / 6);
  const drawing = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': `${title}; the numbers are in the table below`,
  });
  for (let power = ends[0]; power <= ends[1]; power += every) {
    drawing.append(svg('line', { class: 'grid', x1: left, x2: width - right, y1: y(10 ** power), y2: y(10 ** power) }));
    drawing.append(
      svg('text', { class: 'tick', x: left - 8, y: y(10 ** power) + 4, 'text-anchor': 'end' }, shown(10 ** power)),
    );
  }
  const now = svg('line', { class: 'moment-line', y1: top, y2: height - bottom });
  now.at = x;
  drawing.append(now);
  const taken = [];
  lines.forEach((line, k) => {
    const points = line.values
      .map((value, t) => [x(t), y(value), value, t])
      .filter(([, , value]) => value > 0 && Number.isFinite(value));
    if (!points.length) return;
    drawing.append(
      svg('polyline', { class: `curve c${k % 4}`, points: points.map(([px, py]) => `${px},${py}`).join(' ') }),
    );
    for (const [px, py, value, t] of points) {
      drawing.append(
        svg('circle', {
          class: `dot c${k % 4}`,
          cx: px,
          cy: py,
          r: 3.2,
          onpointerenter: (event) =>
            showTip(`${line.name}, ${timeName(t)}: ${shown(value)}`, event.clientX, event.clientY),
          onpointerleave: hideTip,
          onclick: () => go(null, null, t),
        }),
      );
    }
    let labelY = Math.round(points[points.length - 1][1]) + 4;
    while (taken.some((other) => Math.abs(other - labelY) < 13)) labelY += 1;
    taken.push(labelY);
    drawing.append(svg('text', { class: `curve-name c${k % 4}`, x: x(steps - 1) + 9, y: labelY }, line.name));
  });
  for (const t of new Set([0, steps - 1]))
    drawing.append(svg('text', { class: 'tick', x: x(t), y: height - 8, 'text-anchor': 'middle' }, `t = ${t}`));
  return el('figure', { class: 'chart' }, el('figcaption', {}, title), drawing);
}

function normTable(norms, same) {
  const head = el(
    'tr',
    {},
    el('th', { scope: 'col' }, 't'),
    norms.flatMap((norm) => [
      el('th', { scope: 'col' }, `∂${norm.name}${same ? '' : ', last step'}`),
      same ? null : el('th', { scope: 'col' }, `∂${norm.name}, all steps`),
    ]),
  );
  const rows = data.runs.map((_, t) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, String(t)),
      norms.flatMap((norm) => [
        el('td', {}, shown(Number(norm.last[t]))),
        same ? null : el('td', {}, shown(Number(norm.all[t]))),
      ]),
    ),
  );
  return folding('norms', 'The numbers', [
    el('div', { class: 'scroll', tabindex: 0 }, el('table', {}, el('thead', {}, head), el('tbody', {}, rows))),
  ]);
}

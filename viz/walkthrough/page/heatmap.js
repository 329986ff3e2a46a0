// Heat maps: purple below zero, green above, the paper's own colour at zero. Small ones print their numbers.

const PRINTED = 48;

let poles;

function readPoles() {
  poles = {
    zero: colour('--zero'),
    below: colour('--below'),
    above: colour('--above'),
    odd: colour('--odd'),
    ink: colour('--ink'),
  };
}

function cellColour(number, most) {
  if (!Number.isFinite(number)) return poles.odd;
  const share = most ? Math.min(1, Math.abs(number) / most) : 0;
  return mixed(poles.zero, number < 0 ? poles.below : poles.above, share);
}

function largest(numbers) {
  let most = 0;
  for (const number of numbers) if (Number.isFinite(number)) most = Math.max(most, Math.abs(number));
  return most;
}

// A value as a figure: its name, its shape, the numbers, and what their range is; `open` goes where it comes from.
function valueFigure(reference, name, where, open) {
  const title = open
    ? el('button', { type: 'button', class: 'link name', onclick: open }, name)
    : el('span', { class: 'name' }, name);
  const shape = el('span', { class: 'shape' }, describedShape(reference));
  const head = el('figcaption', {}, title, where ? el('span', {}, where) : null, shape);
  if (reference == null) {
    return el('figure', { class: 'value' }, head, el('p', { class: 'quiet' }, 'No gradient comes here: it is zero.'));
  }
  if (Array.isArray(reference)) {
    const parts = reference.map((part, i) => valueFigure(part, `${name}[${i}]`));
    return el('figure', { class: 'value table' }, head, parts);
  }
  const entry = data.arrays[reference];
  if (!sizeOf(entry)) return el('figure', { class: 'value' }, head, el('p', { class: 'quiet' }, 'It is empty.'));
  const layout = layoutOf(entry);
  const printed = !layout.blocks && layout.size <= PRINTED && (layout.single ? layout.size <= 24 : layout.columns <= 6);
  const body = printed ? printedCells(layout, entry) : canvasMap(layout, name);
  return el('figure', { class: 'value' }, head, body, summaryLine(layout, entry, printed));
}

function printedCells(layout, entry) {
  const most = largest(layout.numbers);
  const cells = Array.from(layout.numbers, (number, i) => {
    const back = cellColour(number, most);
    const cell = el('span', { class: 'cell', title: layout.tell(i) }, shown(number, entry.whole));
    cell.style.background = `rgb(${back.join(' ')})`;
    cell.style.color = inkOn(back);
    return cell;
  });
  const kind = layout.single ? 'cells single' : 'cells matrix';
  const longest = Math.max(9, ...cells.map((cell) => cell.textContent.length));
  return el('div', { class: kind, style: `--columns: ${layout.columns}; --chars: ${longest}` }, cells);
}

function summaryLine(layout, entry, printed) {
  if (printed) return null;
  const [least, most, mean, norm] = entry.stats.map(Number).map((number) => shown(number, false));
  const told = el('p', { class: 'facts' }, `from ${least} to ${most}, mean ${mean}, norm ${norm}`);
  const count = layout.size.toLocaleString('en');
  if (layout.blocks) {
    const blocks = `${layout.rows} × ${layout.columns}`;
    told.append(el('br', {}), `${count} numbers in ${blocks} blocks; a cell is the mean of its block`);
  } else if (layout.single && layout.rows > 1) {
    told.append(el('br', {}), `${count} numbers, in rows of ${layout.columns}`);
  }
  return told;
}

// A map on a canvas; its numbers show under the pointer, or under a cursor that the arrow keys move.
function canvasMap(layout, name, options = {}) {
  const { rows, columns } = layout;
  const canvas = el('canvas', { tabindex: 0, role: 'img', class: 'map' });
  canvas.setAttribute('aria-label', `${name}: ${rows} by ${columns} cells; arrow keys read them one by one`);
  const state = { cursor: null };
  canvas.draw = (space = canvas.parentElement.clientWidth) => drawMap(canvas, layout, state.cursor, options, space);
  const tellAt = (i, x, y) => {
    state.cursor = i;
    canvas.draw();
    showTip(layout.tell(i), x, y);
  };
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    return Math.max(0, Math.min(rows - 1, row)) * columns + Math.max(0, Math.min(columns - 1, column));
  };
  const within = (i) => i < layout.numbers.length;
  canvas.addEventListener('pointermove', (event) => {
    const i = cellAt(event);
    if (within(i)) tellAt(i, event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerdown', (event) => {
    const i = cellAt(event);
    if (options.onpick && event.button === 0) options.onpick(i % columns);
    if (within(i)) tellAt(i, event.clientX, event.clientY);
  });
  const leave = () => {
    state.cursor = null;
    canvas.draw();
    hideTip();
  };
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('blur', leave);
  canvas.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && options.onpick && state.cursor != null) options.onpick(state.cursor % columns);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    const next = state.cursor == null ? 0 : state.cursor + step;
    if (next < 0 || !within(next)) return;
    const box = canvas.getBoundingClientRect();
    tellAt(
      next,
      box.left + ((next % columns) + 1) * (box.width / columns),
      box.top + Math.floor(next / columns) * (box.height / rows),
    );
  });
  return canvas;
}

// Draws at the size that the canvas was laid out with; called again when that or the theme changes.
function drawMap(canvas, layout, cursor, options, space) {
  const { rows, columns, numbers } = layout;
  if (!space) return;
  const side = options.wide ? space / columns : Math.max(2, Math.min(22, Math.floor(space / columns)));
  const cellHeight = Math.max(3, Math.min(side, 340 / rows));
  const height = options.wide ? Math.max(options.least, Math.min(96, rows * 7)) : cellHeight * rows;
  const width = options.wide ? space : side * columns;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext('2d');
  const [w, h] = [canvas.width / columns, canvas.height / rows];
  const gap = w > 8 && h > 8 ? 1 : 0;
  const most = options.scale || largest(numbers);
  for (let i = 0; i < numbers.length; i++) {
    const [x, y] = [Math.round((i % columns) * w), Math.round(Math.floor(i / columns) * h)];
    const [right, bottom] = [Math.round(((i % columns) + 1) * w), Math.round((Math.floor(i / columns) + 1) * h)];
    const back = cellColour(numbers[i], most);
    pen.fillStyle = `rgb(${back.join(' ')})`;
    pen.fillRect(x, y, right - x - gap, bottom - y - gap);
    if (numbers[i] < 0 && w > 9 && h > 9) {
      pen.fillStyle = inkOn(back);
      pen.globalAlpha = 0.55;
      pen.fillRect(x + w / 2 - 2 * ratio, Math.round(y + h / 2), 4 * ratio, ratio);
      pen.globalAlpha = 1;
    }
  }
  if (cursor != null) outline(pen, (cursor % columns) * w, Math.floor(cursor / columns) * h, w, h, ratio);
}

function outline(pen, x, y, w, h, ratio) {
  pen.strokeStyle = `rgb(${poles.ink.join(' ')})`;
  pen.lineWidth = 2 * ratio;
  pen.strokeRect(x + ratio, y + ratio, w - 2 * ratio, h - 2 * ratio);
}

// All widths are read before anything is drawn, so that the page is laid out once.
function drawMaps(root) {
  const canvases = [...root.querySelectorAll('canvas.map')];
  const spaces = canvases.map((canvas) => canvas.parentElement.clientWidth);
  canvases.forEach((canvas, i) => canvas.draw(spaces[i]));
}

function showTip(text, x, y) {
  const tip = find('tip');
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(x + 12, window.innerWidth - width - 6))}px`;
  tip.style.top = `${y - height - 12 > 6 ? y - height - 12 : y + 18}px`;
}

function hideTip() {
  find('tip').hidden = true;
}

// The picture: which boxes have run, which one runs now, and what flows along the edges, in which direction.

const boxElements = data.boxes.map((box) => find(box.id));
const edgeElements = data.edges.map((edge) => edge.ids.map(find));
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');

// The least scale at which a picture is still easy to read.
const LEAST = 0.85;

const diagram = { scale: 1, jump: null };

function startDiagram(jump) {
  diagram.jump = jump;
  const picture = find('picture');
  const arrow = svg('path', { d: 'M0,0 L10,4 L0,8 z', class: 'arrow' });
  const size = { markerWidth: 10, markerHeight: 8, refX: 9, refY: 4, markerUnits: 'userSpaceOnUse' };
  picture.prepend(svg('defs', {}, svg('marker', { id: 'against', orient: 'auto-start-reverse', ...size }, arrow)));
  picture.setAttribute('role', 'group');
  picture.setAttribute('aria-label', 'The graph: choose a box to go to its step');
  boxElements.forEach((element, i) => {
    element.classList.add('box', data.boxes[i].kind);
    element.setAttribute('role', 'button');
    element.setAttribute('aria-label', element.textContent.trim().replace(/\s+/g, ' '));
    element.addEventListener('click', () => jump(i));
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      jump(i);
    });
  });
  edgeElements.flat().forEach((element) => element && element.classList.add('edge'));
  find('in').addEventListener('click', () => zoom(diagram.scale * 1.2));
  find('out').addEventListener('click', () => zoom(diagram.scale / 1.2));
  find('fit').addEventListener('click', () => zoom(fitting(true)));
  const wide = fitting(false);
  zoom(wide < LEAST ? 1 : Math.min(1.25, wide));
}

// The scale at which the picture is as wide as its view, or lies in it as a whole.
function fitting(whole) {
  const view = find('view');
  const picture = find('picture');
  const wide = (view.clientWidth - 24) / picture.dataset.width;
  return whole ? Math.min(wide, (view.clientHeight - 24) / picture.dataset.height) : wide;
}

function zoom(scale) {
  const picture = find('picture');
  diagram.scale = Math.max(0.2, Math.min(4, scale));
  picture.setAttribute('width', picture.dataset.width * diagram.scale);
  picture.setAttribute('height', picture.dataset.height * diagram.scale);
  const now = boxElements.find((element) => element.classList.contains('now'));
  if (now) centre([now], 'instant');
}

// Bring boxes, or the last one where they lie too far apart, to the middle of the view, without moving the page.
function centre(elements, behavior) {
  const view = find('view');
  const outer = view.getBoundingClientRect();
  let boxes = elements.map((element) => element.getBoundingClientRect());
  const [left, right] = [Math.min(...boxes.map((box) => box.left)), Math.max(...boxes.map((box) => box.right))];
  if (right - left > outer.width) boxes = boxes.slice(-1);
  const x = (Math.min(...boxes.map((box) => box.left)) + Math.max(...boxes.map((box) => box.right))) / 2;
  const y = (Math.min(...boxes.map((box) => box.top)) + Math.max(...boxes.map((box) => box.bottom))) / 2;
  view.scrollTo({
    left: view.scrollLeft + x - outer.left - outer.width / 2,
    top: view.scrollTop + y - outer.top - outer.height / 2,
    behavior: calm.matches ? 'instant' : behavior,
  });
}

// Show a step: `state` gives for each box "", "forward" or "backward", for how far the run has come.
function showInDiagram(step, state, t) {
  const outputs = data.boxes.map((box, i) => i).filter((i) => data.boxes[i].kind === 'output');
  const lit = step.phase === 'loss' ? outputs : [step.box];
  const near = new Set();
  const flows = data.edges.map((edge, i) => flowOn(edge, i, step, lit, t));
  flows.forEach((flow, i) => {
    if (!flow) return;
    near.add(data.edges[i].tail).add(data.edges[i].head);
  });
  const focused = boxElements.includes(document.activeElement);
  boxElements.forEach((element, i) => {
    const now = lit.includes(i);
    element.classList.toggle('now', now);
    element.classList.toggle('near', !now && near.has(i));
    element.classList.toggle('went-forward', state[i] === 'forward');
    element.classList.toggle('went-backward', state[i] === 'backward');
    element.setAttribute('tabindex', now ? 0 : -1);
    if (now && step.phase !== 'loss') element.setAttribute('aria-current', 'step');
    else element.removeAttribute('aria-current');
  });
  edgeElements.forEach((pieces, i) => {
    for (const piece of pieces) {
      if (!piece) continue;
      piece.classList.remove('flow', 'against', 'in', 'on');
      if (flows[i]) piece.classList.add('flow', ...flows[i]);
    }
  });
  if (focused) boxElements[lit[0]].focus({ preventScroll: true });
  find('picture').setAttribute('class', step.phase);
  centre(
    lit.map((i) => boxElements[i]),
    'smooth',
  );
}

// Whether something flows on an edge in a step: into the box or on from it, with the edge's direction or against it.
function flowOn(edge, i, step, lit, t) {
  const [from, to] = [lit.includes(edge.tail), lit.includes(edge.head)];
  if (!from && !to) return null;
  const run = data.runs[t];
  if (step.phase === 'loss') return to ? ['in'] : null;
  if (step.phase === 'forward') {
    if (edge.feedback && to && t === 0) return null;
    return [to ? 'in' : 'on'];
  }
  const gradient = edge.feedback ? fedBack(edge, i, t, from) : run.backward[i];
  return gradient == null ? null : ['against', from ? 'in' : 'on'];
}

// The gradient on an edge that feeds back: to the feeding box from the step after, from the state to the step before.
function fedBack(edge, i, t, atFeeder) {
  if (!atFeeder) return t > 0 ? data.runs[t].backward[i] : null;
  return t + 1 < data.runs.length ? data.runs[t + 1].backward[i] : edge.final;
}

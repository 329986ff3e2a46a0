// The walk: which step it is, where the next one is, and the keys.

const boxesWalked = data.boxes.map((_, i) => i).filter((i) => data.boxes[i].kind !== 'output');
const steps = [
  ...boxesWalked.map((box) => ({ phase: 'forward', box })),
  { phase: 'loss' },
  ...[...boxesWalked].reverse().map((box) => ({ phase: 'backward', box })),
];
const lossStep = boxesWalked.length;
const lastTime = data.runs.length - 1;
const walk = { step: 0, t: 0, timer: null };
const PACE = 1300;

function show(step, t) {
  walk.step = step;
  walk.t = t;
  const now = steps[step];
  showInPanel(now, t, go);
  showInDiagram(now, progress(step), t);
  showInTimeline(steps, step, t, walk.timer != null);
  if (data.overTime && moment.t !== t) showOverTime(t);
  const stage = document.querySelector('.stage').getBoundingClientRect();
  if (stage.top < 0 && stage.bottom > window.innerHeight * 0.6)
    window.scrollBy(0, find('panel').getBoundingClientRect().top - 16);
  const hash = `#${step + 1}${lastTime ? `,${t}` : ''}`;
  try {
    history.replaceState(null, '', hash);
  } catch {
    // A frame in a notebook has no address of its own.
  }
}

// For each box how far it has come at a step: "" not yet, "forward", or "backward" once its gradient is known.
function progress(step) {
  const found = data.boxes.map(() => '');
  steps.slice(0, step + 1).forEach(({ phase, box }) => {
    if (phase === 'loss') data.boxes.forEach((other, i) => other.kind === 'output' && (found[i] = 'backward'));
    else found[box] = phase;
  });
  return found;
}

// Forward goes from step to step in time, then comes the loss, and backward goes back in time.
function following(direction) {
  const { step, t } = walk;
  const to = step + direction;
  if (direction > 0) {
    if (step === lossStep - 1 && t < lastTime) return [0, t + 1];
    if (step === steps.length - 1) return t > 0 ? [lossStep + 1, t - 1] : null;
    return [to, to === lossStep ? lastTime : t];
  }
  if (step === 0) return t > 0 ? [lossStep - 1, t - 1] : null;
  if (step === lossStep + 1) return t < lastTime ? [steps.length - 1, t + 1] : [lossStep, lastTime];
  return [to, t];
}

function move(direction) {
  const to = following(direction);
  if (to) show(...to);
  else stop();
  return to;
}

// To a box, in a phase or else in that of now; choosing the box of now turns from forward to backward.
function go(box, phase, t = walk.t) {
  stop();
  if (phase === 'loss') return show(lossStep, lastTime);
  const now = steps[walk.step];
  if (box == null) return show(walk.step, t);
  if (data.boxes[box].kind === 'output') return show(lossStep, lastTime);
  const wanted = phase || (now.phase === 'backward' ? 'backward' : 'forward');
  return show(
    steps.findIndex((step) => step.phase === wanted && step.box === box),
    t,
  );
}

function jump(box) {
  const now = steps[walk.step];
  if (now.box !== box) return go(box);
  return go(box, now.phase === 'forward' ? 'backward' : 'forward');
}

function stop() {
  if (walk.timer == null) return;
  clearInterval(walk.timer);
  walk.timer = null;
  showInTimeline(steps, walk.step, walk.t, false);
}

function play() {
  if (walk.timer != null) return stop();
  if (!following(1)) show(0, 0);
  walk.timer = setInterval(() => move(1), PACE);
  return move(1);
}

// Who goes on while still reading above is taken to where it happens.
function byHand(direction) {
  stop();
  move(direction);
  const stage = document.querySelector('.stage');
  if (stage.getBoundingClientRect().top > window.innerHeight * 0.7) stage.scrollIntoView();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select')) return;
  const { key, shiftKey } = event;
  const inside = event.target.closest('button, summary, a, [role=button]');
  const keys = {
    ArrowRight: () => (shiftKey ? inTime(1) : byHand(1)),
    ArrowLeft: () => (shiftKey ? inTime(-1) : byHand(-1)),
    Home: () => atOnce(0, 0),
    End: () => atOnce(steps.length - 1, 0),
    ' ': () => play(),
    b: () => steps[walk.step].phase !== 'loss' && jump(steps[walk.step].box),
  };
  if (!keys[key] || (key === ' ' && inside)) return;
  event.preventDefault();
  keys[key]();
}

function atOnce(step, t) {
  stop();
  show(step, t);
}

function inTime(direction) {
  atOnce(walk.step, Math.max(0, Math.min(lastTime, walk.t + direction)));
}

const darkSystem = window.matchMedia('(prefers-color-scheme: dark)');

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : darkSystem.matches;
}

function followTheme() {
  readPoles();
  find('theme').textContent = isDark() ? '☀ light' : '☾ dark';
  find('theme').setAttribute('aria-label', `Switch to ${isDark() ? 'light' : 'dark'} colours`);
}

function switchTheme() {
  setTheme(isDark() ? 'light' : 'dark');
}

// Light, dark, or without a name as the system has it.
function setTheme(theme) {
  const { dataset } = document.documentElement;
  if (theme) dataset.theme = theme;
  else delete dataset.theme;
  followTheme();
  show(walk.step, walk.t);
  drawMaps(find('time'));
}

// Paper is white.
function printInLight() {
  const { theme } = document.documentElement.dataset;
  window.addEventListener('afterprint', () => setTheme(theme), { once: true });
  setTheme('light');
}

// The step that the address names, as in #12 or, at a step in time, #12,3; or by its box, as in #backward/h and, at a
// step in time, #backward/h/3, or #loss.
function showPlace(hash) {
  const [, phase, name, at] = named(hash) || [];
  const box = data.boxes.findIndex((one) => one.kind !== 'output' && one.title === name);
  if (phase === 'loss') return go(null, phase);
  if (box >= 0) return go(box, phase, at ? Math.min(lastTime, at) : undefined);
  const [, step, t] = hash.match(/^#(\d+)(?:,(\d+))?$/) || [null, 1, 0];
  atOnce(Math.max(0, Math.min(steps.length - 1, step - 1)), Math.max(0, Math.min(lastTime, Number(t) || 0)));
}

function named(hash) {
  try {
    return decodeURIComponent(hash).match(/^#(loss|forward|backward)(?:\/(.+?)(?:\/(\d+))?)?$/);
  } catch {
    return null;
  }
}

function follow(hash) {
  showPlace(hash);
  document.querySelector('.stage').scrollIntoView();
}

// The picture takes the room between the heading and the time line, or where that is little, the whole window's.
function fitView() {
  const whole = window.innerHeight - find('bar').offsetHeight - document.querySelector('.zoom').offsetHeight - 32;
  const rest = whole - document.querySelector('header').offsetHeight;
  document.documentElement.style.setProperty('--view', `${rest > whole * 0.6 ? rest : Math.max(380, whole)}px`);
}

// What is on the page, and how to go through it.
function hint() {
  const key = (name) => el('kbd', {}, name);
  const size = [`${boxesWalked.length} boxes`, `${data.model.parameters.toLocaleString('en')} parameters`];
  if (lastTime) size.push(`${lastTime + 1} steps in time`);
  const keys = [
    'Keys: ',
    key('→'),
    ' ',
    key('←'),
    ' a step, ',
    key('space'),
    ' plays, ',
    key('b'),
    ' turns a box round',
  ];
  if (lastTime) keys.push(', ', key('shift'), ' ', key('→'), ' a step in time');
  return el(
    'p',
    { class: 'quiet hint' },
    `${size.join(', ')}. Choose a box to go there; choose it again for its backward. `,
    'In heat maps purple is below zero, green above, and the strongest colour is the largest number of its array. ',
    el('span', { class: 'keys' }, keys, '.'),
  );
}

function start() {
  followTheme();
  find('introduction').append(...proseOf(data.introduction));
  find('conclusion').append(...proseOf(data.conclusion));
  find('introduction').after(hint());
  startTimeline(steps, {
    play,
    track: { choose: (i) => atOnce(i, i === lossStep ? lastTime : walk.t), move: byHand },
    moments: { choose: (t) => atOnce(walk.step, t), move: inTime },
  });
  fitView();
  startDiagram(jump);
  if (data.overTime) startOverTime(go);
  tellMoments();
  showPlace(location.hash);
  window.addEventListener('hashchange', () => follow(location.hash));
  document.addEventListener('keydown', onKey);
  find('theme').addEventListener('click', switchTheme);
  darkSystem.addEventListener('change', () => setTheme(document.documentElement.dataset.theme));
  window.addEventListener('beforeprint', printInLight);
  window.addEventListener('resize', () => {
    fitView();
    tellMoments();
    drawMaps(document);
  });
}

start();

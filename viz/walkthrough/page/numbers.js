// The numbers of the run, as Python wrote them: rounded to what is shown, in base64, each stretch of them once.

const data = JSON.parse(find('data').textContent);
const packed = atob(data.numbers);
const DIGITS = 4;

function decoded(entry) {
  if (!entry.numbers) {
    const length = entry.blocks ? 3 * entry.blocks[0] * entry.blocks[1] : sizeOf(entry);
    entry.numbers = entry.whole || Float64Array.from({ length }, (_, i) => numberAt(entry.at + i));
  }
  return entry.numbers;
}

// A number of four digits is three bytes, the lowest first; what is none has digits of -10000.
function numberAt(place) {
  const [low, middle, high] = [0, 1, 2].map((k) => packed.charCodeAt(3 * place + k));
  const code = low + 256 * middle + 65536 * high;
  const [digits, exponent] = [(code % 20001) - 10000, Math.floor(code / 20001)];
  return digits === -10000 ? [NaN, Infinity, -Infinity][exponent] : Number(`${digits}e${exponent - 327}`);
}

function sizeOf(entry) {
  return entry.shape.reduce((a, b) => a * b, 1);
}

// A number to four significant digits, without zeros that say nothing.
function shown(number, whole) {
  if (Number.isNaN(number)) return 'NaN';
  if (!Number.isFinite(number)) return number > 0 ? '∞' : '−∞';
  if (number === 0) return '0';
  const size = Math.abs(number);
  let text;
  if (whole) text = String(size);
  else if (size >= 1e-3 && size < 1e6) text = String(Number(size.toPrecision(DIGITS)));
  else {
    const [digits, exponent] = size.toExponential(DIGITS - 1).split('e');
    text = `${Number(digits)}e${exponent.replace('+', '').replace('-', '−')}`;
  }
  return (number < 0 ? '−' : '') + text;
}

function shapeText(shape) {
  if (!shape.length) return 'a number';
  return `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
}

// A reference is a place in data.arrays, a list for a table, or null for a gradient of zeros.
function describedShape(reference) {
  if (reference == null) return 'zero';
  if (Array.isArray(reference)) return `[${reference.map(describedShape).join(', ')}]`;
  return shapeText(data.arrays[reference].shape);
}

// An array seen as a matrix: rows, columns, and what to say of cell i. A single row is broken into several.
function layoutOf(entry) {
  const shape = entry.shape;
  const size = sizeOf(entry);
  const numbers = decoded(entry);
  if (entry.blocks) return blockLayout(entry, numbers, size);
  const long = shape.length ? shape[shape.length - 1] : 1;
  const single = size === long || long === 1;
  const columns = !single ? long : size <= 24 ? size : size > 256 ? 32 : 16;
  const rows = Math.ceil(size / columns);
  return {
    rows,
    columns,
    single,
    size,
    numbers,
    tell: (i) => `${indexText(i, shape)} ${shown(numbers[i], entry.whole)}`,
  };
}

function indexText(i, shape) {
  const index = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(i % shape[axis]);
    i = Math.floor(i / shape[axis]);
  }
  return `[${index.join(', ')}]`;
}

function blockLayout(entry, all, size) {
  const [rows, columns] = entry.blocks;
  const cells = rows * columns;
  const wide = entry.shape[entry.shape.length - 1];
  const high = size / wide;
  const single = high === 1;
  const tell = (i) => {
    const where = single
      ? range('numbers', i, cells, size)
      : `${range('rows', Math.floor(i / columns), rows, high)}, ${range('columns', i % columns, columns, wide)}`;
    const [mean, least, largest] = [all[i], all[i + cells], all[i + 2 * cells]].map((number) => shown(number));
    return `${where}: mean ${mean}, from ${least} to ${largest}`;
  };
  return { rows, columns, single, size, numbers: all.subarray(0, cells), tell, blocks: true };
}

function range(what, i, pieces, n) {
  const first = Math.floor((i * n) / pieces);
  const last = Math.floor(((i + 1) * n) / pieces) - 1;
  return first === last ? `${what.slice(0, -1)} ${first}` : `${what} ${first}–${last}`;
}

// The panel's part on backward: which gradients arrive at a box, what becomes of them, and where they go on.

function backwardValues(i, box, t, go) {
  const run = data.runs[t];
  const name = outputName(box);
  const arriving = contributions(i, t, go);
  const total = valueFigure(run.gradients[i], `∂${name}`, arriving.length === 1 ? arriving[0].from : null);
  const several = arriving.length > 1;
  const apart = arriving.every((one) => one.part) && new Set(arriving.map((one) => one.part)).size === arriving.length;
  const into = edgesInto(i);
  const symbols = box.symbols || [];
  const leaving = into
    .filter(([edge]) => !edge.feedback || t > 0)
    .map(([edge, k], n) => {
      const { title } = data.boxes[edge.tail];
      const before = edge.feedback ? t - 1 : t;
      const own = edge.feedback ? title : into.length === symbols.length ? symbols[n] : `${title}${edge.part}`;
      const target = link(edge.feedback ? `${title} at t = ${before}` : title, () => go(edge.tail, 'backward', before));
      return valueFigure(run.backward[k], `∂${own}`, [' to ', target]);
    });
  const over = data.runs.length > 1;
  const called = box.output && name !== 'y' ? name : 'the value';
  return [
    equations(box.derivatives || []),
    several
      ? group(
          'Gradients that arrive',
          arriving.map((one) => valueFigure(one.gradient, `∂${name}${one.part}`, one.from)),
        )
      : null,
    !several ? group('Gradient that arrives', [total]) : null,
    several && !apart ? group(`Their sum, since ${called} is used ${arriving.length} times`, [total]) : null,
    group(leaving.length > 1 ? 'Gradients that go on' : 'Gradient that goes on', leaving),
    parameterGroup(
      box,
      over ? `Gradients of the parameters, from ${timeName(t)} alone` : 'Gradients of the parameters',
      run.parameters[i],
      '∂',
    ),
    over ? parameterGroup(box, 'Gradients of the parameters, summed over all steps', box.totals, '∂') : null,
    forwardAgain(i, box, run),
  ];
}

// The gradients that come to a box, one for each place where its output is used.
function contributions(i, t, go) {
  return edgesFrom(i)
    .map(([edge, k]) => {
      const gradient = edge.feedback ? fedBack(edge, k, t, true) : data.runs[t].backward[k];
      const head = data.boxes[edge.head];
      const later = edge.feedback && t + 1 < data.runs.length;
      const atLoss = head.kind === 'output' || (edge.feedback && !later);
      const text = later ? `${head.title} at t = ${t + 1}` : edge.feedback ? 'the final state' : head.title;
      const target = () => (atLoss ? go(null, 'loss') : go(edge.head, 'backward', later ? t + 1 : t));
      return {
        gradient,
        part: edge.part && !edge.feedback ? edge.part.split(' ')[0] : '',
        from: [' from ', link(text, target)],
      };
    })
    .filter((one) => one.gradient != null);
}

function forwardAgain(i, box, run) {
  const values = edgesInto(i)
    .filter(([edge]) => !edge.feedback)
    .map(([edge, k], n) => valueFigure(run.values[k], (box.symbols || [])[n] || data.boxes[edge.tail].title));
  return folding('forward', 'The values from forward', [...values, valueFigure(run.outputs[i], outputName(box))]);
}

// Events of a score curve at another threshold, found here so that a dragged line answers at once.
// The server finds them by the same rule when the threshold is saved.

/** Whether a segment starts behind a hole in the pictures. Segments without one touch. */
function behindGap(curve, index) {
  return index > 0 && curve.start_seconds[index] - curve.end_seconds[index - 1] > 0.001;
}

/** Runs of segments strictly above the threshold; a gap or a segment without a score ends one. */
export function findEvents(curve, threshold) {
  const events = [];
  let open = null;
  curve.smoothed.forEach((score, index) => {
    const above = score !== null && score > threshold;
    if (!above || behindGap(curve, index)) open = null;
    if (!above) return;
    if (!open) events.push((open = { start_seconds: curve.start_seconds[index], score }));
    open.end_seconds = curve.end_seconds[index];
    open.score = Math.max(open.score, score);
  });
  return events;
}

/** The curve as columns for the chart: middles of segments, and a break at each gap. */
export function chartColumns(curve) {
  const columns = [[], [], []];
  const push = (...values) => values.forEach((value, i) => columns[i].push(value));
  curve.start_seconds.forEach((start, index) => {
    if (behindGap(curve, index)) push((curve.end_seconds[index - 1] + start) / 2, null, null);
    push((start + curve.end_seconds[index]) / 2, curve.raw[index], curve.smoothed[index]);
  });
  return columns;
}

export function overlaps(a, b) {
  return a.start_seconds < b.end_seconds && b.start_seconds < a.end_seconds;
}

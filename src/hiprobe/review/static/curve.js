// The score curve: raw and smoothed, truth and events, the threshold as a line that can be dragged.

import uPlot from "./vendor/uplot.js";
import { chartColumns } from "./segments.js";
import { html, useEffect, useRef } from "./ui.js";
import { tickWords } from "./times.js";

const GRIP_PIXELS = 12;
const DRAG_PIXELS = 3;
const BAND_PIXELS = 7;
const AROUND = 4;

function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** Paint stretches of time over the height of the chart, or as a band at its top. */
function paint(plot, stretches, colour, { alpha = 1, band = false } = {}) {
  const { ctx, bbox } = plot;
  const thick = BAND_PIXELS * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.globalAlpha = alpha;
  ctx.fillStyle = colour;
  for (const [start, end] of stretches) {
    const left = plot.valToPos(start, "x", true);
    const width = Math.max(2, plot.valToPos(end, "x", true) - left);
    ctx.fillRect(left, bbox.top, width, band ? thick : bbox.height);
  }
  ctx.restore();
}

function paintThreshold(plot, threshold, colour) {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(threshold, "y", true);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.beginPath();
  ctx.arc(bbox.left + bbox.width - 8 * devicePixelRatio, y, 6 * devicePixelRatio, 0, 7);
  ctx.fill();
  ctx.restore();
}

const pairs = (stretches) => stretches.map((one) => [one.start_seconds, one.end_seconds]);

/** Background first, lines over it: uPlot calls these around its own drawing. */
function paintHooks(shown) {
  return {
    drawClear: [
      (plot) => {
        const { curve, events, range } = shown.current;
        const colour = colours();
        paint(plot, pairs(events), colour("red"), { alpha: 0.18 });
        if (range) paint(plot, pairs([range]), colour("note-line"), { alpha: 0.4 });
        paint(plot, curve.truth ?? [], colour("blue"), { band: true });
      },
    ],
    draw: [(plot) => paintThreshold(plot, shown.current.threshold, colours()("red"))],
  };
}

function chartOptions(box, shown) {
  const colour = (name) => () => colours()(name);
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const points = { show: false };
  return {
    width: box.clientWidth,
    height: box.clientHeight,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points, y: false },
    scales: { x: { time: false, range: (_, low, high) => [low, high] }, y: { range: [0, 1] } },
    axes: [
      { ...axis, size: 28, values: (_, ticks, __, ___, step) => ticks.map((tick) => tickWords(tick, step)) },
      { ...axis, size: 34, splits: [0, 0.5, 1] },
    ],
    series: [
      {},
      { label: "raw", stroke: colour("faint"), width: 1, points },
      { label: "smoothed", stroke: colour("ink"), width: 2, points },
    ],
    hooks: paintHooks(shown),
  };
}

/** What a pressed pointer does: move the threshold, mark a stretch, or seek. */
function listenToPointer(plot, shown) {
  const area = plot.over;
  let doing = null;
  const at = (event) => {
    const box = area.getBoundingClientRect();
    const x = Math.max(0, Math.min(event.clientX - box.left, box.width));
    const y = Math.max(0, Math.min(event.clientY - box.top, box.height));
    return { x, y, seconds: plot.posToVal(x, "x"), score: plot.posToVal(y, "y") };
  };
  const nearLine = (y) => {
    const line = plot.valToPos(shown.current.threshold, "y");
    return shown.current.mayMove && Math.abs(y - line) <= GRIP_PIXELS;
  };
  const act = (event) => {
    const { x, seconds, score } = at(event);
    const { moveThreshold, seek, mark } = shown.current;
    if (doing.what === "threshold") moveThreshold(Math.min(0.999, Math.max(0, score)));
    if (doing.what === "seek") seek(Math.max(0, seconds));
    if (doing.what === "mark" && Math.abs(x - doing.x) >= DRAG_PIXELS) {
      const [start, end] = [doing.seconds, seconds].sort((a, b) => a - b);
      mark({ start_seconds: Math.max(0, start), end_seconds: end });
    }
  };
  area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const place = at(event);
    const marking = event.shiftKey || shown.current.marking;
    const what = marking ? "mark" : nearLine(place.y) ? "threshold" : "seek";
    doing = { what, ...place };
    area.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (what === "seek") act(event);
  });
  area.addEventListener("pointermove", (event) => {
    if (doing) act(event);
    else area.style.cursor = nearLine(at(event).y) ? "ns-resize" : "pointer";
  });
  for (const end of ["pointerup", "pointercancel"]) {
    area.addEventListener(end, () => (doing = null));
  }
}

/** The part of the video that is shown: all of it, or a stretch with room around it. */
function visible(curve, videoSeconds, zoom) {
  const last = Math.max(videoSeconds, curve.end_seconds.at(-1) ?? 0, 0.1);
  if (!zoom) return { min: 0, max: last };
  const room = Math.max(5, AROUND * (zoom.end_seconds - zoom.start_seconds)) / 2;
  return { min: Math.max(0, zoom.start_seconds - room), max: Math.min(last, zoom.end_seconds + room) };
}

/** The chart.
 *
 * @param events what to shade, at the threshold that is shown
 * @param range a marked stretch, or null
 * @param marking whether a drag marks a stretch instead of seeking
 * @param zoom the stretch to show closely, or null for the whole video
 */
export function Curve(props) {
  const { curve, video, events, threshold, range, zoom, clock } = props;
  const box = useRef(null);
  const line = useRef(null);
  const plot = useRef(null);
  const shown = useRef(props);
  shown.current = props;

  const movePlayhead = (seconds) => {
    if (!plot.current || !line.current) return;
    const { min, max } = plot.current.scales.x;
    const inside = seconds >= min && seconds <= max;
    const left = plot.current.over.offsetLeft + plot.current.valToPos(seconds, "x");
    line.current.hidden = !inside;
    line.current.style.transform = `translateX(${left}px)`;
  };
  const show = () => {
    plot.current.setScale("x", visible(curve, video.duration_seconds, shown.current.zoom));
    movePlayhead(clock.seconds);
  };

  useEffect(() => {
    const room = box.current;
    const chart = new uPlot(chartOptions(room, shown), chartColumns(curve), room);
    plot.current = chart;
    listenToPointer(chart, shown);
    show();
    const resized = () => {
      chart.setSize({ width: room.clientWidth, height: room.clientHeight });
      movePlayhead(clock.seconds);
    };
    const watcher = new ResizeObserver(resized);
    watcher.observe(room);
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => chart.redraw(false, true);
    theme.addEventListener("change", redraw);
    const deaf = clock.listen(movePlayhead);
    return () => {
      watcher.disconnect();
      theme.removeEventListener("change", redraw);
      deaf();
      chart.destroy();
      plot.current = null;
    };
  }, [curve]);
  useEffect(() => plot.current?.redraw(false), [events, threshold, range]);
  useEffect(() => plot.current && show(), [zoom?.start_seconds, zoom?.end_seconds]);

  const words = `Score curve of ${video.name}: ${events.length} events above ${threshold.toFixed(2)}`;
  return html`
    <div class="curve" role="img" aria-label=${words}>
      <div class="chart" ref=${box}></div>
      <div class="playhead" ref=${line}></div>
    </div>
  `;
}

// Small charts of a few values, drawn as SVG so that they need no canvas and follow the theme.

import { html } from "./ui.js";

const WIDE = 320;
const HIGH = 120;
const LEFT = 34;
const ROOM = 14;

function scale(values, from, to) {
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

/** Lines over the same numbers, each scaled to its own range.
 *
 * @param lines `{name, colour, values, range}`; a null value is left out
 * @param marked the number to mark with an upright line, or null
 */
export function LineChart({ title, numbers, lines, marked = null, unit }) {
  const x = scale(numbers, LEFT, WIDE - ROOM);
  const drawn = lines.filter((line) => line.values.some((value) => value != null));
  const path = ({ values, range }) => {
    const y = scale(range ?? values.filter((value) => value != null), HIGH - 22, ROOM);
    const points = numbers.map((number, i) => [x(number), values[i]]).filter(([, v]) => v != null);
    return points.map(([at, value]) => `${at.toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  };
  const ends = numbers.length > 1 ? [numbers[0], numbers.at(-1)] : numbers;
  return html`
    <figure class="line-chart">
      <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img" aria-label=${title}>
        ${marked != null &&
        html`<line class="marked" x1=${x(marked)} x2=${x(marked)} y1=${ROOM / 2} y2=${HIGH - 20} />`}
        <line class="base" x1=${LEFT} x2=${WIDE - ROOM} y1=${HIGH - 20} y2=${HIGH - 20} />
        ${drawn.map(
          (line) => html`<polyline key=${line.name} class=${line.colour} points=${path(line)} />`,
        )}
        ${ends.map(
          (number) => html`<text key=${number} x=${x(number)} y=${HIGH - 6} text-anchor="middle">${number}</text>`,
        )}
        <text x=${WIDE / 2} y=${HIGH - 6} text-anchor="middle">${unit}</text>
        ${drawn.length === 1 && drawn[0].range
          ? drawn[0].range.map(
              (value, i) =>
                html`<text key=${i} x="2" y=${i ? ROOM + 4 : HIGH - 20}>${value}</text>`,
            )
          : ""}
      </svg>
      <figcaption>
        ${drawn.map((line) => html`<span key=${line.name} class=${`key ${line.colour}`}>${line.name}</span>`)}
      </figcaption>
    </figure>
  `;
}

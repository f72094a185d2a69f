// Judging: an event or a marked stretch is an anomaly, normal, of a class of one's own, or unsure.

import { api } from "./api.js";
import { html, useLayoutEffect, useRef } from "./ui.js";
import { labelWords } from "./queue.js";
import { madeWords, stretchWords } from "./times.js";

/** Ask for the name of a class; names in use are offered.
 *
 * It belongs to the page, not to the video that is open: that may change while the name is typed.
 */
export function ClassDialog({ classes, close, judge }) {
  const dialog = useRef(null);
  // Before the next key arrives: typed quickly, the name's first letters would be verdicts.
  useLayoutEffect(() => dialog.current.showModal(), []);
  const send = (event) => {
    event.preventDefault();
    const name = event.target.elements.class_name.value.trim();
    if (!name) return;
    dialog.current.close();
    judge("class", name);
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="class-title" onClose=${close}>
      <form onSubmit=${send}>
        <h2 id="class-title">A class of your own</h2>
        <label>
          <span>Name</span>
          <input name="class_name" list="class-names" maxlength="80" required autofocus />
        </label>
        <datalist id="class-names">
          ${classes.map((name) => html`<option key=${name} value=${name} />`)}
        </datalist>
        <div class="buttons">
          <button type="submit" class="main">Label</button>
          <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
        </div>
      </form>
    </dialog>
  `;
}

const KINDS = [
  ["anomaly", "Anomaly", "a"],
  ["normal", "Normal", "n"],
  ["unsure", "Unsure", "s"],
];

/** The bar with the verdicts, for the marked stretch where there is one, else for the event. */
export function LabelBar({ target, note, setNote, judge, undo, clearRange, markWhole, ask }) {
  const { event, range, length } = target;
  const isWhole = range && range.start_seconds <= 0 && range.end_seconds >= length;
  const what = range
    ? isWhole
      ? "the whole video"
      : `the marked stretch ${stretchWords(range.start_seconds, range.end_seconds)}`
    : event
      ? `the event ${stretchWords(event.start_seconds, event.end_seconds)}`
      : "";
  if (!what) return html`<p class="soft">Choose an event, or mark a stretch of the curve, to judge it.</p>`;
  const label = range ? null : event.label;
  return html`
    <div class="labels" role="group" aria-label=${`Judge ${what}`}>
      <p>Judge ${what}${label
        ? html`: <span class=${`tag label-${label.kind}`}>${labelWords(label)}</span>
            <span class="soft"> saved by ${label.reviewer}, ${madeWords(label.made_at_utc)}</span>`
        : ""}</p>
      <div class="buttons">
        ${KINDS.map(
          ([kind, words, key]) => html`
            <button
              key=${kind}
              type="button"
              class=${`kind-${kind}`}
              aria-pressed=${label?.kind === kind ? "true" : "false"}
              onClick=${() => judge(kind)}
            >
              ${words} <kbd>${key}</kbd>
            </button>
          `,
        )}
        <button type="button" onClick=${ask}>Class … <kbd>c</kbd></button>
        <button type="button" class="quiet" onClick=${undo}>Undo <kbd>u</kbd></button>
        ${!isWhole &&
        html`<button type="button" class="quiet" onClick=${markWhole}>Whole video <kbd>w</kbd></button>`}
        ${range && html`<button type="button" class="quiet" onClick=${clearRange}>Unmark</button>`}
      </div>
      <label class="note-field">
        <span>Note</span>
        <input
          maxlength="1000"
          value=${note}
          placeholder=${label?.note || "kept with the next verdict"}
          onInput=${(e) => setNote(e.target.value)}
        />
      </label>
    </div>
  `;
}

/** All labels of a video, each with who gave it and a way to take it back. */
export function LabelList({ labels, seek, may, attempt, changed }) {
  if (!labels.length) return null;
  const remove = (label) =>
    attempt("Taking a label back", () => api.unlabel(label.id), () => {
      changed();
      return "The label is taken back.";
    });
  return html`
    <details class="label-list">
      <summary>Labels of this video (${labels.length})</summary>
      <ul>
        ${labels.map(
          (label) => html`
            <li key=${label.id}>
              <button type="button" class="link" onClick=${() => seek(label.start_seconds)}>
                ${stretchWords(label.start_seconds, label.end_seconds)}
              </button>
              <span class=${`tag label-${label.kind}`}>${labelWords(label)}</span>
              <span class="soft">${label.reviewer}, ${madeWords(label.made_at_utc)}</span>
              ${label.note && html`<span>${label.note}</span>`}
              ${may.label &&
              html`<button type="button" class="quiet" onClick=${() => remove(label)}>Take back</button>`}
            </li>
          `,
        )}
      </ul>
    </details>
  `;
}

// Why an event was found: the model's words, the nearest labelled clips, who spoke for it, layers.

import { api, follow } from "./api.js";
import { LineChart } from "./charts.js";
import { html, useEffect, useRef, useState } from "./ui.js";

const NEAREST = 3;

/** The model's words, which come in piece by piece for the event and for its normal neighbour. */
function Words({ event, explain, may }) {
  const [heard, setHeard] = useState({ event: "", normal: "" });
  const [state, setState] = useState("idle");
  const [problem, setProblem] = useState("");
  const stop = useRef(null);
  useEffect(() => {
    setHeard({ event: event.explanation ?? "", normal: "" });
    setState("idle");
    setProblem("");
    return () => stop.current?.abort();
  }, [event.id]);
  const ask = async () => {
    if (state === "asking") return;
    stop.current = new AbortController();
    const { signal } = stop.current;
    setState("asking");
    setProblem("");
    setHeard({ event: "", normal: "" });
    const told = (kind, data) => {
      if (signal.aborted) return;
      if (kind === "words") setHeard((all) => ({ ...all, [data.of]: all[data.of] + data.text }));
      else setState(data.text || "asking");
    };
    try {
      await follow(await api.explain(event.id), told, signal);
    } catch (error) {
      if (!signal.aborted) setProblem(error.message);
    }
    if (!signal.aborted) setState("idle");
  };
  explain.current = ask;
  const said = heard.event || heard.normal;
  return html`
    <section>
      <h3>In the model's words</h3>
      <div aria-live="polite">
        ${heard.event && html`<blockquote>${heard.event}</blockquote>`}
        ${heard.normal &&
        html`<p class="soft">The normal moment nearest to it, for comparison:</p>
          <blockquote>${heard.normal}</blockquote>`}
      </div>
      ${!said && state === "idle" && html`<p class="soft">The model was not asked about this event yet.</p>`}
      ${problem && html`<p class="wrong" role="alert">${problem}</p>`}
      ${may.label &&
      html`<button type="button" disabled=${state !== "idle"} onClick=${ask}>
        ${state === "idle" ? (said ? "Ask again" : "Ask the model") : "The model is looking …"}
        ${state === "idle" && html` <kbd>e</kbd>`}
      </button>`}
    </section>
  `;
}

/** Read what the server knows of an event; a failure is told in place. */
function useAnswer(request, of) {
  const [answer, setAnswer] = useState({ value: null, problem: "" });
  useEffect(() => {
    let late = false;
    setAnswer({ value: null, problem: "" });
    request().then(
      (value) => late || setAnswer({ value, problem: "" }),
      (error) => late || setAnswer({ value: null, problem: error.message }),
    );
    return () => (late = true);
  }, of);
  return answer;
}

function Neighbours({ event }) {
  const { value, problem } = useAnswer(() => api.neighbours(event.id), [event.id]);
  return html`
    <section>
      <h3>Nearest labelled clips</h3>
      ${problem && html`<p class="soft">${problem}</p>`}
      ${value && !value.length && html`<p class="soft">There are no labelled clips to compare with.</p>`}
      <ol class="neighbours">
        ${(value ?? []).slice(0, NEAREST).map(
          (clip, i) => html`
            <li key=${i}>
              <span class="name">${clip.name}</span>
              <span class=${`tag label-${clip.label}`}>${clip.class_name ?? clip.label}</span>
              <span class="soft">distance ${clip.distance.toFixed(2)}</span>
            </li>
          `,
        )}
      </ol>
    </section>
  `;
}

function Members({ event }) {
  const { value, problem } = useAnswer(() => api.members(event.id), [event.id]);
  if (problem) return html`<section><h3>Members</h3><p class="soft">${problem}</p></section>`;
  if (!value?.length) return null;
  const largest = Math.max(...value.map((member) => Math.abs(member.log_odds)), 1e-9);
  return html`
    <section>
      <h3>Who spoke for it</h3>
      <p class="soft">To the right: for an anomaly. To the left: against.</p>
      <ul class="members">
        ${value.map((member) => {
          const half = (Math.abs(member.log_odds) / largest) * 50;
          const left = member.log_odds < 0 ? 50 - half : 50;
          const side = member.log_odds < 0 ? "against" : "for";
          return html`
            <li key=${member.name}>
              <span class="name">
                ${member.name} <span class="soft">weight ${member.weight.toFixed(2)}</span>
              </span>
              <span class="bar" aria-hidden="true">
                <span class=${side} style=${{ left: `${left}%`, width: `${half}%` }}></span>
              </span>
              <span>${member.log_odds >= 0 ? "+" : "−"}${Math.abs(member.log_odds).toFixed(2)}</span>
            </li>
          `;
        })}
      </ul>
    </section>
  `;
}

function Layers({ probe }) {
  const layers = probe?.layers ?? [];
  if (!layers.length) return null;
  const numbers = layers.map((row) => row.layer);
  const lines = [
    { name: "how well it separates the clips", colour: "blue", values: layers.map((row) => row.saliency) },
    { name: "held-out AUC", colour: "red", values: layers.map((row) => row.cv_auc) },
  ];
  const title = `Layers of the model; the probe reads layer ${probe.layer}`;
  return html`
    <section>
      <h3>Layers</h3>
      <${LineChart} title=${title} numbers=${numbers} lines=${lines} marked=${probe.layer} unit="layer" />
      <p class="soft">The upright line is layer ${probe.layer}, which the probe reads.</p>
    </section>
  `;
}

export function Why({ event, probe, explain, may }) {
  if (!event) return null;
  return html`
    <section class="why" aria-labelledby="why-title">
      <h2 id="why-title">Why this event</h2>
      <div class="why-parts">
        <${Words} event=${event} explain=${explain} may=${may} />
        <${Neighbours} event=${event} />
        <${Members} event=${event} />
        <${Layers} probe=${probe} />
      </div>
    </section>
  `;
}

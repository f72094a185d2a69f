// Teaching: refit on the labels, compare, accept or throw away; versions, proposals, gain.

import { api, follow } from "./api.js";
import { LineChart } from "./charts.js";
import { html, useEffect, useState } from "./ui.js";
import { counted, madeWords, spanWords, stretchWords } from "./times.js";

const PROPOSALS = 8;
const FIGURES = {
  cv_auc: "held-out AUC",
  threshold: "threshold",
  label_count: "labels",
  alarms_per_hour: "alarms an hour",
};

const figureWords = (value) => {
  if (value == null) return "not known";
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
};

function Progress({ progress, words }) {
  const share = progress?.total ? progress.done / progress.total : undefined;
  return html`
    <div class="progress">
      <progress aria-label=${words} value=${share}></progress>
      <span>${progress?.text || words}</span>
      ${progress?.seconds_left != null && html`<span class="soft">${spanWords(progress.seconds_left)} left</span>`}
    </div>
  `;
}

function Figures({ refit }) {
  const before = { ...refit.before, alarms_per_hour: refit.alarms_before?.per_hour };
  const after = { ...refit.after, alarms_per_hour: refit.alarms_after?.per_hour };
  const known = Object.keys(FIGURES).filter((name) => before[name] != null || after[name] != null);
  return html`
    <table>
      <thead>
        <tr><th scope="col">measure</th><th scope="col">before</th><th scope="col">after</th></tr>
      </thead>
      <tbody>
        ${known.map(
          (name) => html`
            <tr key=${name}>
              <th scope="row">${FIGURES[name]}</th>
              <td>${figureWords(before[name])}</td>
              <td>${figureWords(after[name])}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
    <p class="soft">
      ${refit.alarms_after
        ? `Alarms an hour were counted on ${refit.alarms_after.footage}.`
        : "Alarms an hour cannot be compared: of no video here the events are known."}
    </p>
    ${refit.stale_cameras.length > 0 &&
    html`<p>To be calibrated again when it is accepted: ${refit.stale_cameras.join(", ")}.</p>`}
  `;
}

function EventList({ title, none, events, videos, open }) {
  return html`
    <div>
      <h4>${title}</h4>
      ${!events.length && html`<p class="soft">${none}</p>`}
      <ul class="plain">
        ${events.map(
          (event) => html`
            <li key=${event.id ?? event.start_seconds}>
              <button type="button" class="link" onClick=${() => open(event)}>
                ${videos.get(event.video_id)?.name ?? "video"},${" "}
                ${stretchWords(event.start_seconds, event.end_seconds)}
              </button>
              ${event.why && html`<span class="soft">${event.why}</span>`}
            </li>
          `,
        )}
      </ul>
    </div>
  `;
}

/** Before and after a refit, and the choice between them. */
function Comparison({ refit, videos, open, settle, may }) {
  return html`
    <section class="card" aria-labelledby="refit-title">
      <h3 id="refit-title">The refit changes this</h3>
      <p class="soft">It took ${spanWords(refit.seconds)}. Nothing is kept until it is accepted.</p>
      <${Figures} refit=${refit} />
      <div class="columns">
        <${EventList}
          title=${`New events (${refit.appearing.length})`}
          none="None."
          events=${refit.appearing}
          videos=${videos}
          open=${open}
        />
        <${EventList}
          title=${`No longer events (${refit.vanishing.length})`}
          none="None."
          events=${refit.vanishing}
          videos=${videos}
          open=${open}
        />
      </div>
      ${refit.doubtful.length > 0 &&
      html`
        <h4>Labels to look at again</h4>
        <p class="soft">The other labels speak against these.</p>
        <ul class="plain">
          ${refit.doubtful.map((doubt, i) => html`<li key=${i}>${doubtWords(doubt)}</li>`)}
        </ul>
      `}
      <div class="buttons">
        ${may.accept
          ? html`<button type="button" class="main" onClick=${() => settle(true)}>Accept</button>`
          : html`<span class="soft">An administrator can accept it.</span>`}
        <button type="button" onClick=${() => settle(false)}>Throw away</button>
      </div>
    </section>
  `;
}

function doubtWords(doubt) {
  return `${doubt.name}: labelled ${doubt.label}, held-out score ${doubt.score.toFixed(2)}`;
}

function Gain({ gain }) {
  const steps = gain.filter((step) => step.cv_auc != null);
  if (steps.length < 2) {
    return html`<p class="soft">
      After the first accepted refit, this shows how the held-out AUC moves with the labels.
    </p>`;
  }
  const values = steps.map((step) => step.cv_auc);
  const numbers = steps.map((step) => step.label_count);
  const low = Math.floor(Math.min(...values) * 10) / 10;
  const line = { name: "held-out AUC", colour: "blue", values, range: [low, 1] };
  const change = values.at(-1) - values[0];
  const more = counted(numbers.at(-1) - numbers[0], "more label", "more labels");
  return html`
    <p>
      Held-out AUC ${values[0].toFixed(3)} at first, ${values.at(-1).toFixed(3)} now
      (${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(3)} with ${more}).
    </p>
    <${LineChart} title="Held-out AUC by number of labels" numbers=${numbers} lines=${[line]} unit="labels" />
  `;
}

function Versions({ versions, restore, may }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Versions of the probe">
      <table>
        <thead>
          <tr>
            <th scope="col">version</th><th scope="col">made</th><th scope="col">why</th>
            <th scope="col">held-out AUC</th><th scope="col">threshold</th><th scope="col">labels</th>
            <th scope="col">in use</th>
          </tr>
        </thead>
        <tbody>
          ${versions.map(
            (version) => html`
              <tr key=${version.number}>
                <th scope="row">${version.number}</th>
                <td>${madeWords(version.made_at_utc)}</td>
                <td class="words">${version.reason}</td>
                <td>${figureWords(version.cv_auc)}</td>
                <td>${figureWords(version.threshold)}</td>
                <td>${version.label_count}</td>
                <td>
                  ${version.current
                    ? "yes"
                    : may.accept &&
                      html`<button type="button" onClick=${() => restore(version.number)}>
                        Bring back<span class="unseen"> version ${version.number}</span>
                      </button>`}
                </td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** What the server knows about the probe's past and what to label next. */
function useTeaching(attempt) {
  const [known, setKnown] = useState({ versions: [], gain: [], proposals: null });
  const reload = () =>
    attempt(
      "Loading the versions",
      () => Promise.all([api.versions(), api.gain()]),
      ([versions, gain]) => setKnown((all) => ({ ...all, versions, gain })),
    );
  const propose = () =>
    attempt("Choosing what to label next", () => api.proposals(PROPOSALS), (proposals) =>
      setKnown((all) => ({ ...all, proposals })),
    );
  useEffect(() => {
    reload();
  }, []);
  return { ...known, reload, propose };
}

export function useRefit({ attempt, changed }) {
  const [refit, setRefit] = useState(null);
  const [progress, setProgress] = useState(null);
  const start = () =>
    attempt(
      "Refitting",
      async () => {
        setProgress({ done: 0, total: 0, text: "Refitting" });
        try {
          const job = await api.startRefit();
          const done = await follow(job, (kind, data) => kind === "progress" && setProgress(data));
          return await api.refit(done.result_id);
        } finally {
          setProgress(null);
        }
      },
      (made) => {
        setRefit(made);
        return "The refit is ready to compare.";
      },
    );
  const settle = (accept) =>
    attempt(
      accept ? "Accepting the refit" : "Throwing the refit away",
      () => (accept ? api.acceptRefit(refit.id) : api.discardRefit(refit.id)),
      () => {
        setRefit(null);
        changed();
        return accept ? "The new version is in use." : "Thrown away; nothing has changed.";
      },
    );
  return { refit, progress, start, settle };
}

export function Teach({ probe, videos, refitting, open, attempt, changed, may }) {
  const { refit, progress, start, settle } = refitting;
  const known = useTeaching(attempt);
  useEffect(() => {
    if (!refit) known.reload();
  }, [refit]);
  const restore = (number) =>
    attempt(`Bringing version ${number} back`, () => api.restore(number), () => {
      known.reload();
      changed();
      return `Version ${number} is in use again.`;
    });
  return html`
    <div class="page">
      <h2>Teach</h2>
      ${probe &&
      html`<p>
        Probe <strong>${probe.name}</strong>, recipe ${probe.recipe}, layer ${probe.layer},
        held-out AUC ${figureWords(probe.cv_auc)}, threshold ${figureWords(probe.threshold)}.
      </p>`}
      ${may.label &&
      html`<div class="buttons">
        <button type="button" class="main" disabled=${Boolean(progress)} onClick=${start}>
          Refit on the labels <kbd>r</kbd>
        </button>
      </div>`}
      ${progress && html`<${Progress} progress=${progress} words="Refitting" />`}
      ${refit &&
      html`<${Comparison} refit=${refit} videos=${videos} open=${open} settle=${settle} may=${may} />`}
      <section class="card">
        <h3>Most worth labelling next</h3>
        ${may.label &&
        html`<button type="button" onClick=${known.propose}>
          ${known.proposals ? "Propose again" : "Propose"}
        </button>`}
        ${known.proposals &&
        html`<${EventList}
          title=${counted(known.proposals.length, "stretch", "stretches")}
          none="Nothing more is worth asking about."
          events=${known.proposals}
          videos=${videos}
          open=${open}
        />`}
      </section>
      <section class="card">
        <h3>What labels have gained</h3>
        <${Gain} gain=${known.gain} />
      </section>
      <section class="card">
        <h3>Versions</h3>
        <${Versions} versions=${known.versions} restore=${restore} may=${may} />
      </section>
    </div>
  `;
}

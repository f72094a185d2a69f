// The threshold of a video while it is moved, and what saving it would change.

import { api } from "./api.js";
import { html, useEffect, useState } from "./ui.js";
import { counted } from "./times.js";

const REST_MS = 250;

/** What the server says about a threshold: alarms an hour, labelled events kept and lost. */
function useConsequences(videoId, threshold, moved) {
  const [answer, setAnswer] = useState(null);
  useEffect(() => {
    setAnswer(null);
    if (!moved) return undefined;
    let late = false;
    const ask = () =>
      api.resegment(videoId, threshold).then(
        (told) => late || setAnswer(told),
        (error) => late || setAnswer({ problem: error.message }),
      );
    const timer = setTimeout(ask, REST_MS);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [videoId, threshold, moved]);
  return answer;
}

function consequenceWords(answer) {
  if (!answer) return "";
  if (answer.problem) return answer.problem;
  const rate = answer.alarms;
  const alarms = rate
    ? `${rate.per_hour.toFixed(rate.per_hour < 10 ? 1 : 0)} alarms an hour on ${rate.footage}.`
    : "Alarms an hour are not known: no camera was calibrated, and of no video the events are known.";
  const size = (labels) => (Array.isArray(labels) ? labels.length : labels ?? 0);
  const kept = size(answer.kept_labels);
  const lost = size(answer.lost_labels);
  if (!kept && !lost) return alarms;
  return `${alarms} Judged events: ${kept} still found, ${lost} no longer.`;
}

/** The line under the curve: the number, what it changes, and how to keep it. */
export function ThresholdBar({ video, curve, draft, setDraft, count, may, attempt, saved }) {
  const moved = draft !== curve.threshold;
  const answer = useConsequences(video.id, draft, moved);
  const save = (words, request) =>
    attempt(words, request, (version) => {
      saved();
      return `Saved${version?.number ? ` as version ${version.number} of the probe` : ""}.`;
    });
  const found = counted(count, "event", "events");
  return html`
    <div class="threshold" role="group" aria-label="Threshold">
      <label>
        <span>Threshold</span>
        <input
          type="range"
          min="0"
          max="0.999"
          step="0.001"
          value=${draft}
          disabled=${!may.threshold}
          aria-valuetext=${`${draft.toFixed(3)}, ${found}`}
          onInput=${(e) => setDraft(Number(e.target.value))}
        />
        <output>${draft.toFixed(3)}</output>
      </label>
      <p class="soft">
        ${moved
          ? html`<strong>${found} here</strong> (${curve.events.length} at ${curve.threshold.toFixed(3)}).
              ${" "}${consequenceWords(answer)}`
          : html`${found} here.`}
      </p>
      ${moved &&
      html`
        <div class="buttons">
          <button
            type="button"
            onClick=${() => save("Saving the threshold of this video", () => api.saveThreshold(video.id, draft))}
          >
            Save for this video
          </button>
          <button
            type="button"
            onClick=${() => save("Saving the threshold of the probe", () => api.saveProbeThreshold(draft))}
          >
            Save for all videos
          </button>
          <button type="button" class="quiet" onClick=${() => setDraft(curve.threshold)}>Put back</button>
        </div>
      `}
    </div>
  `;
}

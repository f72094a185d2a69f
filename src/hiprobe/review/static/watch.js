// One video on the desk: player, curve, threshold, verdicts, reasons.

import { api } from "./api.js";
import { Curve } from "./curve.js";
import { LabelBar, LabelList } from "./labels.js";
import { makeClock, Player } from "./player.js";
import { findEvents } from "./segments.js";
import { ThresholdBar } from "./threshold.js";
import { clockWords, stretchWords } from "./times.js";
import { html, useEffect, useMemo, useRef, useState } from "./ui.js";
import { Why } from "./why.js";

/** The curve of a video, read again when `turn` changes; the old one stays until the new is here. */
function useCurve(videoId, turn, attempt) {
  const [curve, setCurve] = useState(null);
  useEffect(() => {
    let late = false;
    attempt(
      "Loading the score curve",
      () => api.curve(videoId),
      (answer) => {
        if (!late) setCurve(answer);
      },
    );
    return () => (late = true);
  }, [videoId, turn]);
  return curve?.video_id === videoId ? curve : null;
}

/** The threshold while it is moved, and the events it would give. */
function useDraft(curve) {
  const [draft, setDraft] = useState(null);
  useEffect(() => setDraft(null), [curve]);
  const threshold = draft ?? curve?.threshold ?? 0;
  const moved = draft !== null && curve && draft !== curve.threshold;
  const events = useMemo(() => {
    if (!curve) return [];
    return moved ? findEvents(curve, threshold) : curve.events;
  }, [curve, threshold, moved]);
  return { threshold, events, setDraft };
}

function CurveButtons({ zoomed, setZoomed, marking, setMarking, event }) {
  return html`
    <div class="buttons curve-buttons" role="group" aria-label="Curve">
      ${event &&
      html`<button type="button" aria-pressed=${zoomed ? "true" : "false"} onClick=${() => setZoomed(!zoomed)}>
        Closer <kbd>z</kbd>
      </button>`}
      <button type="button" aria-pressed=${marking ? "true" : "false"} onClick=${() => setMarking(!marking)}>
        Mark a stretch <kbd>m</kbd>
      </button>
      <ul class="legend">
        <li class="key ink">smoothed</li>
        <li class="key faint">raw</li>
        <li class="key red">detected, threshold</li>
        <li class="key blue">truth</li>
      </ul>
    </div>
  `;
}

/** The desk.
 *
 * @param controls a ref for the keys of the player
 * @param desk a ref that gets what other keys do: `{zoom, marking, markStart, markEnd, markWhole, nudge}`
 * @param judging everything the verdicts need; see LabelBar
 */
export function Watch({ video, event, range, setRange, turn, controls, desk, explain, judging, ...rest }) {
  const { attempt, may, probe, labels, labelsChanged, thresholdSaved, back } = rest;
  const clock = useRef(null);
  clock.current ??= makeClock();
  const curve = useCurve(video.id, turn, attempt);
  const { threshold, events, setDraft } = useDraft(curve);
  const [zoomed, setZoomed] = useState(false);
  const [marking, setMarking] = useState(false);
  const [loop, setLoop] = useState(true);
  const stretch = range ?? event;
  const start = useRef(0);
  start.current = stretch?.start_seconds ?? 0;

  // The video that is open already jumps to the next event; another one starts there by itself.
  useEffect(() => {
    if (event) controls.current?.seek(event.start_seconds);
  }, [event?.id]);

  const seek = (seconds) => controls.current?.seek(seconds);
  const markFrom = (ends) => {
    const now = clock.current.seconds;
    const old = range ?? { start_seconds: now, end_seconds: now };
    const { start_seconds: from, end_seconds: to } = { ...old, ...ends(now) };
    const end = Math.min(video.duration_seconds, Math.max(to, from + 0.04));
    setRange({ start_seconds: Math.min(from, end - 0.04), end_seconds: end });
  };
  desk.current = {
    zoom: () => setZoomed(!zoomed),
    marking: () => setMarking(!marking),
    loop: () => setLoop(!loop),
    markStart: () => markFrom((now) => ({ start_seconds: now })),
    markEnd: () => markFrom((now) => ({ end_seconds: now })),
    markWhole: () => setRange({ start_seconds: 0, end_seconds: video.duration_seconds }),
    nudge: (by) => may.threshold && setDraft(Math.min(0.999, Math.max(0, threshold + by))),
  };
  const own = labels.filter((label) => label.video_id === video.id);
  const clockTime = event ? clockWords(video.start_clock, event.start_seconds) : "";
  return html`
    <section class="watch" aria-labelledby="watch-title">
      <header>
        <button type="button" class="back" onClick=${back}>← Events</button>
        <h2 id="watch-title">${video.name}</h2>
        ${event &&
        html`<p class="soft">
          Event ${stretchWords(event.start_seconds, event.end_seconds)}, score
          ${` ${event.score.toFixed(3)}`}${clockTime && `, ${clockTime}`}
        </p>`}
      </header>
      <${Player}
        video=${video}
        clock=${clock.current}
        controls=${controls}
        stretch=${stretch}
        loop=${loop}
        setLoop=${setLoop}
        startSeconds=${start}
        attempt=${attempt}
      />
      ${curve &&
      html`
        <${Curve}
          curve=${curve}
          video=${video}
          events=${events}
          threshold=${threshold}
          range=${range}
          zoom=${zoomed ? stretch : null}
          clock=${clock.current}
          marking=${marking}
          mayMove=${may.threshold}
          seek=${seek}
          mark=${setRange}
          moveThreshold=${setDraft}
        />
        <${CurveButtons} ...${{ zoomed, setZoomed, marking, setMarking, event }} />
      `}
      ${may.label && html`<${LabelBar}
        target=${{ event, range, length: video.duration_seconds }}
        markWhole=${desk.current.markWhole}
        ...${judging}
      />`}
      ${curve &&
      html`
        <${ThresholdBar}
          video=${video}
          curve=${curve}
          draft=${threshold}
          setDraft=${setDraft}
          count=${events.length}
          may=${may}
          attempt=${attempt}
          saved=${thresholdSaved}
        />
      `}
      <${LabelList} labels=${own} seek=${seek} may=${may} attempt=${attempt} changed=${labelsChanged} />
      <${Why} event=${event} probe=${probe} explain=${explain} may=${may} />
    </section>
  `;
}

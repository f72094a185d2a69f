// The queue: events of all videos, loaded as they scroll by, judged one by one or many at once.

import { api } from "./api.js";
import { Picture } from "./pictures.js";
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";
import { clockWords, counted, stretchWords } from "./times.js";

const PAGE = 200;
const ROW_PIXELS = 92;
const ROWS_BEYOND = 6;
const REST_MS = 120;

/** The events that fit the filters, in the server's order, as far as they are loaded. */
export function useEvents(filters, attempt) {
  const [state, setState] = useState({ items: [], total: 0, loaded: false });
  const reading = useRef({ turn: 0, cursor: null, busy: false, wanted: 0, items: [] });
  const asked = JSON.stringify(filters);

  const load = useCallback(async () => {
    const run = reading.current;
    const { turn } = run;
    if (run.busy) return;
    run.busy = true;
    const enough = () => run.cursor === null || run.items.length >= run.wanted;
    await attempt("Loading events", async () => {
      do {
        const page = await api.events({ ...JSON.parse(asked), limit: PAGE, cursor: run.cursor });
        if (reading.current.turn !== turn) return;
        run.items = run.items.concat(page.events);
        run.cursor = page.next_cursor ?? null;
        setState({ items: run.items, total: page.total, loaded: true });
      } while (!enough());
    });
    run.busy = false;
  }, [asked]);

  const reload = useCallback(() => {
    const turn = reading.current.turn + 1;
    reading.current = { turn, cursor: null, busy: false, wanted: PAGE, items: [] };
    return load();
  }, [load]);
  useEffect(() => {
    reload();
  }, [reload]);

  const need = (count) => {
    const run = reading.current;
    run.wanted = Math.max(run.wanted, count);
    if (run.cursor !== null && run.items.length < run.wanted) load();
  };
  const patch = (id, change) => {
    const run = reading.current;
    run.items = run.items.map((event) => (event.id === id ? { ...event, ...change } : event));
    setState((now) => ({ ...now, items: run.items }));
  };
  return { ...state, need, patch, reload };
}

/** What a label is called on the page. */
export function labelWords(label) {
  if (!label) return "not judged";
  return label.kind === "class" ? label.class_name : label.kind;
}

function Thumbnails({ event, resting }) {
  const [count, setCount] = useState(0);
  const known = useRef(null);
  useEffect(() => {
    if (!resting || known.current === event.id) return;
    known.current = event.id;
    // Pictures are an extra: a video that has gone still has its events judged by their times.
    api.thumbnails(event.id).then(
      (answer) => known.current === event.id && setCount(answer.count),
      () => setCount(0),
    );
  }, [event.id, resting]);
  const numbers = [...new Set([0, Math.floor(count / 2), count - 1])].filter((n) => n >= 0 && n < count);
  return html`
    <div class="strip" aria-hidden="true">
      ${numbers.map(
        (number) =>
          html`<${Picture} key=${number} source=${api.thumbnailAddress(event.id, number)} />`,
      )}
    </div>
  `;
}

function Row({ event, video, top, place, total, current, chosen, resting, open, choose }) {
  const label = event.label;
  const kind = label ? ` label-${label.kind}` : "";
  const clock = video ? clockWords(video.start_clock, event.start_seconds) : "";
  return html`
    <div
      id=${`event-${event.id}`}
      class=${`row${current ? " current" : ""}${chosen ? " chosen" : ""}`}
      role="option"
      aria-selected=${chosen || current ? "true" : "false"}
      aria-setsize=${total}
      aria-posinset=${place + 1}
      style=${{ transform: `translateY(${top}px)` }}
      onClick=${(click) => (click.ctrlKey || click.metaKey || click.shiftKey ? choose() : open())}
    >
      <${Thumbnails} event=${event} resting=${resting} />
      <div class="row-words">
        <strong>${video?.name ?? "video"}</strong>
        <span>${stretchWords(event.start_seconds, event.end_seconds)}</span>
        ${clock && html`<span class="soft">${clock}</span>`}
        <span>
          <span class="score">${event.score.toFixed(2)}</span>
          <span class=${`tag${kind}`}>${chosen ? "✓ " : ""}${labelWords(label)}</span>
        </span>
      </div>
    </div>
  `;
}

/** A list that draws only the rows in view. The list itself has the focus, not its rows. */
function Rows({ events, videos, currentId, chosen, open, choose, move }) {
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600, resting: true });
  const timer = useRef(0);
  const measure = (resting) =>
    setView({ top: box.current.scrollTop, height: box.current.clientHeight, resting });
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(() => measure(true));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const scrolled = () => {
    measure(false);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => box.current && measure(true), REST_MS);
  };
  const first = Math.max(0, Math.floor(view.top / ROW_PIXELS) - ROWS_BEYOND);
  const last = Math.ceil((view.top + view.height) / ROW_PIXELS) + ROWS_BEYOND;
  useEffect(() => events.need(last), [last, events.total]);

  const at = events.items.findIndex((event) => event.id === currentId);
  useEffect(() => {
    if (at < 0 || !box.current) return;
    const { scrollTop, clientHeight } = box.current;
    const top = at * ROW_PIXELS;
    if (top < scrollTop) box.current.scrollTop = top;
    if (top + ROW_PIXELS > scrollTop + clientHeight) {
      box.current.scrollTop = top + ROW_PIXELS - clientHeight;
    }
  }, [at]);

  const pressed = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    move(by);
  };
  return html`
    <div
      ref=${box}
      class="rows"
      role="listbox"
      tabindex="0"
      aria-label="Events"
      aria-multiselectable="true"
      aria-activedescendant=${at >= 0 ? `event-${currentId}` : undefined}
      onScroll=${scrolled}
      onKeyDown=${pressed}
    >
      <div class="rows-inside" role="presentation" style=${{ height: `${events.total * ROW_PIXELS}px` }}>
        ${events.items.slice(first, last).map(
          (event, i) => html`
            <${Row}
              key=${event.id}
              event=${event}
              video=${videos.get(event.video_id)}
              place=${first + i}
              total=${events.total}
              top=${(first + i) * ROW_PIXELS}
              current=${event.id === currentId}
              chosen=${chosen.has(event.id)}
              resting=${view.resting}
              open=${() => open(event)}
              choose=${() => choose(event.id)}
            />
          `,
        )}
      </div>
    </div>
  `;
}

const SORTS = [
  ["certain", "most certain first"],
  ["uncertain", "most uncertain first"],
  ["time", "by time"],
];
const REVIEWED = [
  ["", "judged or not"],
  ["false", "not judged"],
  ["true", "judged"],
];
const LABELS = [
  ["", "any label"],
  ["anomaly", "anomaly"],
  ["normal", "normal"],
  ["class", "a class"],
  ["unsure", "unsure"],
];
const EXPLAINED = [
  ["", "with or without words"],
  ["true", "with the model's words"],
  ["false", "without words"],
];

export const NO_FILTERS = { sort: "certain" };

function Choice({ name, title, choices, filters, change }) {
  return html`
    <label>
      <span>${title}</span>
      <select value=${filters[name] ?? ""} onChange=${(e) => change({ [name]: e.target.value })}>
        ${choices.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
      </select>
    </label>
  `;
}

function Filters({ filters, setFilters, videos }) {
  const change = (part) => setFilters({ ...filters, ...part });
  const all = [...videos.values()];
  const cameras = [...new Set(all.map((video) => video.camera).filter(Boolean))];
  const field = (name, title, type, more = {}) => html`
    <label>
      <span>${title}</span>
      <input
        type=${type}
        value=${filters[name] ?? ""}
        onChange=${(e) => change({ [name]: e.target.value })}
        ...${more}
      />
    </label>
  `;
  const score = { min: 0, max: 1, step: 0.01 };
  const set = Object.entries(filters).filter(([name, value]) => name !== "sort" && value).length;
  const own = { filters, change };
  return html`
    <div class="filters">
      <${Choice} name="sort" title="Order" choices=${SORTS} ...${own} />
      <details>
        <summary>Filters${set ? ` (${set})` : ""}</summary>
        <div class="filter-fields">
          <${Choice} name="reviewed" title="Judged" choices=${REVIEWED} ...${own} />
          <${Choice}
            name="video"
            title="Video"
            choices=${[["", "all videos"], ...all.map((video) => [video.id, video.name])]}
            ...${own}
          />
          ${cameras.length > 0 &&
          html`<${Choice}
            name="camera"
            title="Camera"
            choices=${[["", "all cameras"], ...cameras.map((camera) => [camera, camera])]}
            ...${own}
          />`}
          <${Choice} name="label" title="Label" choices=${LABELS} ...${own} />
          <${Choice} name="explained" title="Words" choices=${EXPLAINED} ...${own} />
          ${field("day", "Day", "date")} ${field("min_score", "Score from", "number", score)}
          ${field("max_score", "Score to", "number", score)}
          <button type="button" onClick=${() => setFilters({ sort: filters.sort })}>
            No filters
          </button>
        </div>
      </details>
    </div>
  `;
}

/** The whole left column. */
export function Queue({ events, videos, filters, setFilters, currentId, chosen, actions, may }) {
  const nothing = events.loaded && events.total === 0;
  return html`
    <section class="queue" aria-labelledby="queue-title">
      <div class="queue-head">
        <h2 id="queue-title">${counted(events.total, "event", "events")}</h2>
        <button type="button" class="quiet" onClick=${events.reload}>Refresh</button>
      </div>
      <${Filters} filters=${filters} setFilters=${setFilters} videos=${videos} />
      ${chosen.size > 0 &&
      html`
        <div class="bulk" role="group" aria-label="Chosen events">
          <span>${counted(chosen.size, "event", "events")} chosen:</span>
          ${may.label &&
          html`
            <button type="button" onClick=${() => actions.judge("anomaly")}>Anomaly</button>
            <button type="button" onClick=${() => actions.judge("normal")}>Normal</button>
            <button type="button" onClick=${() => actions.judge("unsure")}>Unsure</button>
          `}
          <button type="button" class="quiet" onClick=${actions.chooseNone}>Choose none</button>
        </div>
      `}
      ${nothing &&
      html`<p class="empty">
        No event fits. Take the filters away, or lower the threshold of a video below its curve.
      </p>`}
      <${Rows}
        events=${events}
        videos=${videos}
        currentId=${currentId}
        chosen=${chosen}
        open=${actions.open}
        choose=${actions.choose}
        move=${actions.move}
      />
    </section>
  `;
}

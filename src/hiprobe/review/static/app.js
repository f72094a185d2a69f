// The page: who is there, what is open, and which key does what.

import { api } from "./api.js";
import { Exports } from "./exports.js";
import { useJudging, useLabels } from "./judging.js";
import { KeyHelp, useKeys } from "./keys.js";
import { ClassDialog } from "./labels.js";
import { Notices, useAttempts } from "./notices.js";
import { NO_FILTERS, Queue, useEvents } from "./queue.js";
import { LogIn, rights, useSession } from "./session.js";
import { Teach, useRefit } from "./teach.js";
import { html, render, useEffect, useMemo, useRef, useState } from "./ui.js";
import { Watch } from "./watch.js";

const VIEWS = [
  ["review", "Review"],
  ["teach", "Teach"],
  ["export", "Export"],
];

/** The videos by id and facts about the probe, read again when `turn` changes. */
function useBasics(turn, attempt) {
  const [videos, setVideos] = useState(new Map());
  const [probe, setProbe] = useState(null);
  useEffect(() => {
    attempt("Loading the videos", api.videos, (all) =>
      setVideos(new Map(all.map((video) => [video.id, video]))),
    );
    // Results may be reviewed without a probe; then there is nothing to say about one.
    api.probe().then(setProbe, () => setProbe(null));
  }, [turn]);
  return { videos, probe };
}

/** What is open, and the ways to open something else. */
function useDesk(events, may) {
  const [event, setEvent] = useState(null);
  const [videoId, setVideoId] = useState(null);
  const [range, setRange] = useState(null);
  const [chosen, setChosen] = useState(new Set());
  const openEvent = (next) => {
    setEvent(next);
    setVideoId(next.video_id);
    setRange(null);
    // Only a mark for the reader: where it cannot be kept, the review goes on.
    if (may.label) api.seen(next.id).catch(() => {});
  };
  const openStretch = ({ video_id: id, start_seconds, end_seconds }) => {
    setEvent(null);
    setVideoId(id);
    setRange({ start_seconds, end_seconds });
  };
  const close = () => {
    setEvent(null);
    setVideoId(null);
    setRange(null);
  };
  const move = (by) => {
    const at = events.items.findIndex((one) => one.id === event?.id);
    const next = events.items[at < 0 ? 0 : at + by];
    if (next) openEvent(next);
  };
  const nextUnjudged = () => {
    const at = events.items.findIndex((one) => one.id === event?.id);
    const next = events.items.slice(at + 1).find((one) => !one.label);
    if (next) openEvent(next);
  };
  const choose = (id) => {
    const all = new Set(chosen);
    if (!all.delete(id)) all.add(id);
    setChosen(all);
  };
  const chooseNone = () => setChosen(new Set());
  const opening = { openEvent, openStretch, close, move, nextUnjudged, choose, chooseNone };
  return { event, setEvent, videoId, range, setRange, chosen, ...opening };
}

function keyTable({ desk, judging, player, tools, explain, setAsking, view, setView, refit, help, may }) {
  const play = (name, ...values) => () => player.current?.[name](...values);
  const tool = (name, ...values) => () => tools.current?.[name](...values);
  const entry = (group, keys, what, run) => ({ group, keys, what, run });
  const put = () => (desk.range ? desk.setRange(null) : desk.chooseNone());
  const always = [
    entry("Page", ["1"], "review", () => setView("review")),
    entry("Page", ["2"], "teach", () => setView("teach")),
    entry("Page", ["3"], "export", () => setView("export")),
    entry("Page", ["?"], "these keys", help),
  ];
  const teaching = may.label ? [entry("Page", ["r"], "refit on the labels", refit)] : [];
  if (view !== "review") return [...teaching, ...always];
  const verdicts = [
    entry("Judge", ["a"], "anomaly", () => judging.judge("anomaly")),
    entry("Judge", ["n"], "normal", () => judging.judge("normal")),
    entry("Judge", ["s"], "unsure", () => judging.judge("unsure")),
    entry("Judge", ["c"], "a class of your own", () => desk.videoId && setAsking(true)),
    entry("Judge", ["u"], "undo the last verdict, of many at once together", judging.undo),
    entry("Judge", ["e"], "ask the model why", () => explain.current?.()),
  ];
  return [
    entry("Events", ["j"], "next event", () => desk.move(1)),
    entry("Events", ["k"], "previous event", () => desk.move(-1)),
    entry("Events", ["x"], "choose this one for many at once", () => desk.event && desk.choose(desk.event.id)),
    entry("Events", ["Escape"], "unmark, choose none", put),
    ...(may.label ? verdicts : []),
    entry("Player", [" "], "play or pause", play("toggle")),
    entry("Player", [","], "one frame back", play("step", -1)),
    entry("Player", ["."], "one frame on", play("step", 1)),
    entry("Player", ["ArrowLeft"], "one second back", play("move", -1)),
    entry("Player", ["ArrowRight"], "one second on", play("move", 1)),
    entry("Player", ["<"], "slower", play("faster", -1)),
    entry("Player", [">"], "faster", play("faster", 1)),
    entry("Player", ["l"], "loop the event", tool("loop")),
    entry("Player", ["t"], "go to a time", () => document.getElementById("jump-field")?.focus()),
    entry("Curve", ["z"], "closer, or the whole video", tool("zoom")),
    entry("Curve", ["m"], "drag to mark a stretch", tool("marking")),
    entry("Curve", ["i"], "mark from here", tool("markStart")),
    entry("Curve", ["o"], "mark up to here", tool("markEnd")),
    entry("Curve", ["w"], "mark the whole video", tool("markWhole")),
    entry("Curve", ["+", "="], "threshold up", tool("nudge", 0.01)),
    entry("Curve", ["-"], "threshold down", tool("nudge", -0.01)),
    ...teaching,
    ...always,
  ];
}

function Head({ view, setView, session, help, logOut }) {
  return html`
    <header class="head">
      <h1>HiProbe review</h1>
      <nav aria-label="Parts of the page">
        ${VIEWS.map(
          ([name, words]) => html`
            <button
              key=${name}
              type="button"
              aria-current=${view === name ? "page" : undefined}
              onClick=${() => setView(name)}
            >
              ${words}
            </button>
          `,
        )}
      </nav>
      <span class="who soft">${session.reviewer} (${session.role})</span>
      <button type="button" class="quiet" onClick=${help}>Keys <kbd>?</kbd></button>
      <button type="button" class="quiet" onClick=${logOut}>Log out</button>
    </header>
  `;
}

function Review({ session, logOut }) {
  const may = useMemo(() => rights(session.role), [session.role]);
  const attempts = useAttempts();
  const { attempt } = attempts;
  const [view, setView] = useState("review");
  const [turn, setTurn] = useState(0);
  const [filters, setFilters] = useState(NO_FILTERS);
  const [helping, setHelping] = useState(false);
  const [asking, setAsking] = useState(false);
  const { videos, probe } = useBasics(turn, attempt);
  const events = useEvents(filters, attempt);
  const desk = useDesk(events, may);
  const [labels, reloadLabels] = useLabels(attempt);
  const [player, tools, explain] = [useRef(null), useRef(null), useRef(null)];
  const video = videos.get(desk.videoId);

  /** Thresholds or the probe have moved: events, curves and facts are read anew. */
  const probeChanged = () => {
    setTurn((now) => now + 1);
    events.reload();
  };
  const labelled = (made, { many }) => {
    for (const label of made) if (label.event_id) events.patch(label.event_id, { label });
    reloadLabels();
    if (many) return desk.chooseNone();
    if (desk.range) return desk.setRange(null);
    desk.setEvent({ ...desk.event, label: made[0] });
    return desk.nextUnjudged();
  };
  /** Show events as the server has them now, after their labels were taken back; open the first. */
  const readAgain = (...ids) =>
    attempt("Loading the event", () => Promise.all(ids.map(api.event)), (found) => {
      for (const event of found) events.patch(event.id, event);
      desk.openEvent(found[0]);
    });
  const undone = (taken) => {
    reloadLabels();
    const ids = taken.map((label) => label.event_id).filter(Boolean);
    return ids.length ? readAgain(...ids) : true;
  };
  const takenBack = () => {
    reloadLabels();
    if (desk.event) readAgain(desk.event.id);
  };
  const place = { event: desk.event, video, range: desk.range, chosen: desk.chosen };
  const judging = useJudging({ place, attempt, changed: labelled, undone });
  const refitting = useRefit({ attempt, changed: probeChanged });
  const refit = () => {
    setView("teach");
    if (!refitting.progress) refitting.start();
  };
  const help = () => setHelping(true);
  const parts = { desk, judging, player, tools, explain, setAsking, view, setView, refit, help, may };
  const table = keyTable(parts);
  useKeys(table);
  const open = (item) => {
    setView("review");
    if (item.event_id) readAgain(item.event_id);
    else desk.openStretch(item);
  };
  const classes = new Set([
    ...(probe?.classes ?? []),
    ...labels.map((label) => label.class_name).filter(Boolean),
  ]);
  const bar = { ...judging, ask: () => setAsking(true), clearRange: () => desk.setRange(null) };
  return html`
    <${Head} ...${{ view, setView, session, help, logOut }} />
    <main class=${`view-${view}${video ? " watching" : ""}`}>
      ${view === "review" &&
      html`
        <${Queue}
          events=${events}
          videos=${videos}
          filters=${filters}
          setFilters=${setFilters}
          currentId=${desk.event?.id}
          chosen=${desk.chosen}
          may=${may}
          actions=${{ open: desk.openEvent, ...desk, judge: judging.judge }}
        />
        ${video
          ? html`<${Watch}
              key=${video.id}
              video=${video}
              event=${desk.event}
              range=${desk.range}
              setRange=${desk.setRange}
              turn=${turn}
              controls=${player}
              desk=${tools}
              explain=${explain}
              judging=${bar}
              attempt=${attempt}
              may=${may}
              probe=${probe}
              labels=${labels}
              labelsChanged=${takenBack}
              thresholdSaved=${probeChanged}
              back=${desk.close}
            />`
          : html`<section class="watch nothing"><p>
              Choose an event, or press <kbd>j</kbd>. All keys: <kbd>?</kbd>
            </p></section>`}
      `}
      ${view === "teach" &&
      html`<${Teach}
        probe=${probe}
        videos=${videos}
        refitting=${refitting}
        open=${open}
        attempt=${attempt}
        changed=${probeChanged}
        may=${may}
      />`}
      ${view === "export" &&
      html`<${Exports} attempt=${attempt} changed=${() => (reloadLabels(), events.reload())} may=${may} />`}
    </main>
    <${Notices} attempts=${attempts} />
    ${asking &&
    html`<${ClassDialog} classes=${[...classes]} close=${() => setAsking(false)} judge=${judging.judge} />`}
    ${helping && html`<${KeyHelp} table=${table} close=${() => setHelping(false)} />`}
  `;
}

function App() {
  const { session, problem, asking, logIn, logOut } = useSession();
  if (session) return html`<${Review} session=${session} logOut=${logOut} />`;
  if (asking) return html`<${LogIn} problem=${problem} logIn=${logIn} />`;
  return html`<p class="starting">Loading the review …</p>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);

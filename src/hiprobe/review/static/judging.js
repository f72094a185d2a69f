// Verdicts as the page keeps them: one event, a marked stretch, or many events at once.

import { api } from "./api.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./ui.js";
import { labelWords } from "./queue.js";
import { counted } from "./times.js";

/** All labels, read again when they have changed. */
export function useLabels(attempt) {
  const [labels, setLabels] = useState([]);
  const reload = () => attempt("Loading the labels", api.labels, setLabels);
  useEffect(() => {
    reload();
  }, []);
  return [labels, reload];
}

/** Runs what the keys ask for one after the other, each when the page shows what the last one opened.
 *
 * An answer may open another event, so that a key pressed before it comes would judge the wrong one.
 * Where one fails, those that wait are dropped: they were meant for what it would have opened.
 */
function useTurns() {
  const waiting = useRef([]);
  const running = useRef(false);
  const [turn, setTurn] = useState(0);
  const next = async () => {
    const act = waiting.current.shift();
    if (!act) return;
    running.current = true;
    const done = await act();
    running.current = false;
    if (done === false) waiting.current = [];
    setTurn((now) => now + 1);
  };
  useLayoutEffect(() => {
    if (!running.current) next();
  }, [turn]);
  return (act) => {
    waiting.current.push(act);
    if (!running.current) next();
  };
}

/** Judging, which shows a verdict only when the server has it.
 *
 * @param place what is open: `{event, video, range, chosen}`
 * @param changed called with the labels that were made
 * @param undone called with the labels that were taken back; returns when that is on the page
 */
export function useJudging({ place, attempt, changed, undone }) {
  const [note, setNote] = useState("");
  const { event, video } = place;
  useEffect(() => setNote(""), [event?.id, video?.id]);
  const now = useRef(null);
  now.current = { ...place, note: note.trim(), changed, undone };
  const inTurn = useTurns();

  const send = (verdict) => {
    const { event, video, range, chosen, changed } = now.current;
    const words = "Saving the label";
    if (chosen.size && !range) {
      const many = { ...verdict, event_ids: [...chosen] };
      return attempt(words, () => api.labelMany(many), ({ labels }) => {
        changed(labels, { many: true });
        return `${counted(labels.length, "event", "events")} labelled ${labelWords(labels[0])}.`;
      });
    }
    if (!range && !event) return undefined;
    const target = range ? { video_id: video.id, ...range } : { event_id: event.id };
    return attempt(words, () => api.label({ ...target, ...verdict }), (label) => {
      setNote("");
      changed([label], { many: false });
      return `Saved: ${labelWords(label)}.`;
    });
  };
  const judge = (kind, className = undefined) =>
    inTurn(() => {
      const verdict = { kind };
      if (className) verdict.class_name = className;
      if (now.current.note) verdict.note = now.current.note;
      return send(verdict);
    });
  const undo = () =>
    inTurn(async () => {
      let back = [];
      const done = await attempt("Undoing", api.undo, (labels) => {
        back = labels;
        if (!back.length) return "There is nothing to undo.";
        const many = back.length > 1 ? ` of ${back.length} events` : "";
        return `Taken back: ${labelWords(back[0])}${many}.`;
      });
      return back.length ? now.current.undone(back) : done;
    });
  return { note, setNote, judge, undo };
}

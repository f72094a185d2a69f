// Verdicts as the page keeps them: one event, a marked stretch, or many events at once.

import { api } from "./api.js";
import { useEffect, useState } from "./ui.js";
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

/** Judging, which shows a verdict only when the server has it.
 *
 * @param place what is open: `{event, video, range, chosen}`
 * @param changed called with the labels that were made
 * @param undone called with the label that was taken back
 */
export function useJudging({ place, attempt, changed, undone }) {
  const [note, setNote] = useState("");
  const { event, video, range, chosen } = place;
  useEffect(() => setNote(""), [event?.id, video?.id]);

  const send = (words, verdict) => {
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
  const judge = (kind, className = undefined) => {
    const verdict = { kind };
    if (className) verdict.class_name = className;
    if (note.trim()) verdict.note = note.trim();
    return send("Saving the label", verdict);
  };
  const undo = () =>
    attempt("Undoing", api.undo, (label) => {
      if (!label) return "There is nothing to undo.";
      undone(label);
      return `Taken back: ${labelWords(label)}.`;
    });
  return { note, setNote, judge, undo };
}

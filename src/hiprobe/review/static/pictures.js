// Small pictures of events, a few at a time: a browser opens six connections to one server, and a
// verdict, a video or a curve shall not wait until all pictures of the queue were drawn.

import { html, useEffect, useState } from "./ui.js";

const AT_ONCE = 2;
const waiting = new Set();
let loading = 0;

/** Lets the next ones start, in the order in which they came. */
function next() {
  for (const start of waiting) {
    if (loading >= AT_ONCE) return;
    waiting.delete(start);
    loading += 1;
    start();
  }
}

/** A picture that loads when it is its turn, and is left out where there is none. */
export function Picture({ source }) {
  const [turn, setTurn] = useState(null);
  useEffect(() => {
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      if (!waiting.delete(start)) loading -= 1;
      next();
    };
    const start = () => setTurn({ source, end });
    waiting.add(start);
    next();
    return end;
  }, [source]);
  if (turn?.source !== source) return null;
  const failed = (e) => ((e.target.hidden = true), turn.end());
  return html`<img alt="" src=${source} onLoad=${turn.end} onError=${failed} />`;
}

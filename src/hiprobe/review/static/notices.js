// What the page tells about its requests: under way, done, or failed with a way to try again.

import { html, useCallback, useEffect, useRef, useState } from "./ui.js";

const SHOWN_MS = 5000;

/** Requests with their outcome shown.
 *
 * `attempt(words, request, after)` runs `request`; only when the server has answered is `after`
 * called with the answer, and the words that it returns are told. A failure stays until it is tried
 * again or put away.
 */
export function useAttempts() {
  const [busy, setBusy] = useState([]);
  const [failures, setFailures] = useState([]);
  const [told, setTold] = useState("");
  const timer = useRef(0);
  const next = useRef(1);

  const tell = useCallback((words) => {
    clearTimeout(timer.current);
    setTold(words);
    timer.current = setTimeout(() => setTold(""), SHOWN_MS);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);

  const attempt = useCallback(
    async (doing, request, after = () => {}) => {
      const id = next.current++;
      setBusy((all) => [...all, { id, words: doing }]);
      try {
        const answer = await request();
        const words = after(answer);
        if (words) tell(words);
        return true;
      } catch (error) {
        if (error.code === "aborted") return false;
        const again = () => {
          setFailures((all) => all.filter((failure) => failure.id !== id));
          attempt(doing, request, after);
        };
        setFailures((all) => [...all, { id, words: doing, message: error.message, again }]);
        return false;
      } finally {
        setBusy((all) => all.filter((one) => one.id !== id));
      }
    },
    [tell],
  );
  const dismiss = (id) => setFailures((all) => all.filter((failure) => failure.id !== id));
  return { attempt, tell, busy, told, failures, dismiss };
}

export function Notices({ attempts }) {
  const { busy, told, failures, dismiss } = attempts;
  const words = busy.length ? `${busy[busy.length - 1].words} …` : told;
  return html`
    <div class="notices">
      <p class=${`status${words ? " shown" : ""}`} role="status">${words}</p>
      <div role="alert">
        ${failures.map(
          ({ id, words, message, again }) => html`
            <div class="failure" key=${id}>
              <p><strong>${words}: not done.</strong> ${message}</p>
              <button type="button" onClick=${again}>Try again</button>
              <button type="button" class="quiet" onClick=${() => dismiss(id)}>Put away</button>
            </div>
          `,
        )}
      </div>
    </div>
  `;
}

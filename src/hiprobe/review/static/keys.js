// The keyboard: one table says what each key does, and the help shows the same table.

import { html, useEffect, useRef } from "./ui.js";

const TYPING = "input:not([type=range]):not([type=checkbox]), textarea, select";

/** Whether the key belongs to what has the focus: text fields, pressed buttons, open dialogs. */
function takenByFocus(event) {
  const focus = event.target;
  if (!(focus instanceof Element)) return false;
  if (focus.closest(TYPING) || focus.closest("dialog")) return true;
  const presses = [" ", "Enter"].includes(event.key);
  if (presses && focus.closest("button, a, summary, [type=checkbox]")) return true;
  return event.key.startsWith("Arrow") && Boolean(focus.closest("[type=range]"));
}

/** Run the table's entry for each key pressed anywhere on the page.
 *
 * @param table entries `{keys: ["j"], what: "next event", run, group}`
 */
export function useKeys(table) {
  const current = useRef(table);
  current.current = table;
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || takenByFocus(event)) return;
      const entry = current.current.find(({ keys }) => keys.includes(event.key));
      if (!entry) return;
      event.preventDefault();
      entry.run();
    };
    // After a click the button would keep the focus, and the next space would press it again.
    const clicked = (event) => {
      if (event.detail > 0) event.target.closest?.("button")?.blur();
    };
    document.addEventListener("keydown", pressed);
    document.addEventListener("click", clicked);
    return () => {
      document.removeEventListener("keydown", pressed);
      document.removeEventListener("click", clicked);
    };
  }, []);
}

const NAMES = { " ": "space", ArrowLeft: "←", ArrowRight: "→" };

/** All keys in a dialog, by group. */
export function KeyHelp({ table, close }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  const groups = [...new Set(table.map((entry) => entry.group))];
  return html`
    <dialog ref=${dialog} class="help" aria-labelledby="help-title" onClose=${close}>
      <header>
        <h2 id="help-title">Keys</h2>
        <button type="button" onClick=${() => dialog.current.close()}>Close</button>
      </header>
      <div class="help-groups">
        ${groups.map(
          (group) => html`
            <section key=${group}>
              <h3>${group}</h3>
              <dl>
                ${table
                  .filter((entry) => entry.group === group)
                  .map(
                    ({ keys, what }) => html`
                      <div key=${what}>
                        <dt>${keys.map((key) => html`<kbd key=${key}>${NAMES[key] ?? key}</kbd>`)}</dt>
                        <dd>${what}</dd>
                      </div>
                    `,
                  )}
              </dl>
            </section>
          `,
        )}
      </div>
    </dialog>
  `;
}

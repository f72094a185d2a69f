// Taking results elsewhere, and bringing labels in.

import { api, follow } from "./api.js";
import { html, useEffect, useState } from "./ui.js";

function ExportRow({ format, attempt }) {
  const [file, setFile] = useState("");
  const [leftOut, setLeftOut] = useState([]);
  const write = () =>
    attempt(
      `Writing ${format.name}`,
      async () => follow(await api.startExport(format.name)),
      (done) => {
        setFile(api.exportAddress(done.result_id));
        setLeftOut(done.left_out);
        return `${format.name} is ready to download.`;
      },
    );
  return html`
    <li>
      <div>
        <strong>${format.name}</strong> <span class="soft">${format.extension}</span>
        <p>${format.about}</p>
        ${leftOut.length > 0 &&
        html`<div class="wrong" role="alert">
          <p>Left out of it, since ${leftOut.length > 1 ? "they" : "it"} cannot be read:</p>
          ${leftOut.map((reason) => html`<p key=${reason}>${reason}</p>`)}
        </div>`}
      </div>
      <div class="buttons">
        <button type="button" onClick=${write}>Write<span class="unseen"> ${format.name}</span></button>
        ${file &&
        html`<a class="button main" href=${file} download>Download<span class="unseen"> ${format.name}</span></a>`}
      </div>
    </li>
  `;
}

function Import({ attempt, changed }) {
  const bring = (event) => {
    const [file] = event.target.files;
    if (!file) return;
    const read = async () => {
      let document;
      try {
        document = JSON.parse(await file.text());
      } catch {
        throw new Error(`${file.name} is not JSON; give a file written by the JSON export here.`);
      }
      return api.importLabels(document);
    };
    attempt("Bringing labels in", read, () => {
      event.target.value = "";
      changed();
      return "The labels are in.";
    });
  };
  return html`
    <section class="card">
      <h3>Bring labels in</h3>
      <label class="file"><span>A JSON file of labels, as exported here</span>
        <input type="file" accept=".json,application/json" onChange=${bring} /></label>
    </section>
  `;
}

export function Exports({ attempt, changed, may }) {
  const [formats, setFormats] = useState([]);
  useEffect(() => {
    attempt("Loading the formats", api.exports, setFormats);
  }, []);
  return html`
    <div class="page">
      <h2>Export</h2>
      ${may.label
        ? html`<ul class="exports">
            ${formats.map(
              (format) => html`<${ExportRow} key=${format.name} format=${format} attempt=${attempt} />`,
            )}
          </ul>`
        : html`<p>A reviewer can export; you may look.</p>`}
      ${may.accept && html`<${Import} attempt=${attempt} changed=${changed} />`}
    </div>
  `;
}

// Requests to the server. Everything the page knows or changes goes through here.

let csrf = "";

/** A request that did not do what was asked, in words for the reader. */
export class RequestFailed extends Error {
  constructor(message, { status = 0, code = "unreachable" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function request(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  let response;
  try {
    const content = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(`/api${path}`, { method, headers, body: content });
  } catch {
    throw new RequestFailed("The server does not answer. Is `hiprobe review` still running?");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const told = answer?.error;
  const message = told?.message ?? `The server answered with status ${response.status}.`;
  throw new RequestFailed(message, { status: response.status, code: told?.code });
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value != null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const part = encodeURIComponent;

function opened(session) {
  csrf = session.csrf;
  return session;
}

export const api = {
  session: () => request("GET", "/session").then(opened),
  logIn: (secret) => request("POST", "/session", secret).then(opened),
  logOut: () => request("DELETE", "/session"),

  videos: () => request("GET", "/videos").then((answer) => answer.videos),
  events: (filters) => request("GET", `/events${query(filters)}`),
  event: (id) => request("GET", `/events/${part(id)}`),
  thumbnails: (id) => request("GET", `/events/${part(id)}/thumbnails`),
  thumbnailAddress: (id, number) => `/api/events/${part(id)}/thumbnails/${number}.jpg`,
  seen: (id) => request("PUT", `/events/${part(id)}/seen`, { seen: true }),

  curve: (id) => request("GET", `/videos/${part(id)}/curve`),
  mediaState: (id) => request("GET", `/videos/${part(id)}/media/state`),
  askForMedia: (id) => request("GET", `/videos/${part(id)}/media`),
  mediaAddress: (id) => `/api/videos/${part(id)}/media`,
  resegment: (id, threshold) => request("POST", `/videos/${part(id)}/resegment`, { threshold }),
  saveThreshold: (id, threshold) => request("PUT", `/videos/${part(id)}/threshold`, { threshold }),
  saveProbeThreshold: (threshold) => request("PUT", "/probe/threshold", { threshold }),

  labels: () => request("GET", "/labels").then((answer) => answer.labels),
  label: (label) => request("POST", "/labels", label),
  labelMany: (labels) => request("POST", "/labels/bulk", labels),
  unlabel: (id) => request("DELETE", `/labels/${part(id)}`),
  undo: () => request("POST", "/labels/undo").then((answer) => answer.undone),
  importLabels: (document) => request("POST", "/labels/import", document),

  probe: () => request("GET", "/probe"),
  versions: () => request("GET", "/probe/versions").then((answer) => answer.versions),
  restore: (number) => request("POST", `/probe/versions/${number}/restore`),
  gain: () => request("GET", "/probe/gain").then((answer) => answer.gain),
  startRefit: () => request("POST", "/refits").then((answer) => answer.job),
  refit: (id) => request("GET", `/refits/${part(id)}`),
  acceptRefit: (id) => request("POST", `/refits/${part(id)}/accept`),
  discardRefit: (id) => request("DELETE", `/refits/${part(id)}`),
  proposals: (count) =>
    request("GET", `/proposals${query({ count })}`).then((answer) => answer.proposals),

  neighbours: (id) =>
    request("GET", `/events/${part(id)}/neighbours`).then((answer) => answer.neighbours),
  members: (id) =>
    request("GET", `/events/${part(id)}/members`).then((answer) => answer.members),
  explain: (id) => request("POST", `/events/${part(id)}/explain`).then((answer) => answer.job),

  exports: () => request("GET", "/exports").then((answer) => answer.formats),
  startExport: (format) => request("POST", "/exports", { format }).then((answer) => answer.job),
  exportAddress: (id) => `/api/exports/${part(id)}/file`,
};

/** Follow a job of the server to its end.
 *
 * @param job its id
 * @param heard called with (kind, data) for each `progress` and `words`
 * @param signal an AbortSignal; the job goes on, only the listening ends
 * @returns what the job's `done` says
 */
export function follow(job, heard = () => {}, signal = undefined) {
  return new Promise((resolve, reject) => {
    const stream = new EventSource(`/api/jobs/${part(job)}/stream`);
    const end = (settle, value) => {
      stream.close();
      settle(value);
    };
    for (const kind of ["progress", "words"]) {
      stream.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
    }
    stream.addEventListener("done", (event) => end(resolve, JSON.parse(event.data)));
    stream.addEventListener("failed", (event) => {
      const { error } = JSON.parse(event.data);
      end(reject, new RequestFailed(error.message ?? String(error), { code: error.code }));
    });
    // A stream that breaks off is opened again by the browser; only a refusal closes it for good.
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) {
        end(reject, new RequestFailed("The server no longer knows this job. Start it again."));
      }
    });
    signal?.addEventListener("abort", () =>
      end(reject, new RequestFailed("No longer followed.", { code: "aborted" })),
    );
  });
}

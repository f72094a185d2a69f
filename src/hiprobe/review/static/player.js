// The player: one seek in flight, frame steps, speed, the event in a loop.

import { api, follow } from "./api.js";
import { html, useEffect, useRef, useState } from "./ui.js";
import { clockWords, parsePlace, placeWords, spanWords } from "./times.js";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4, 8];
const USUAL_FRAME_SECONDS = 1 / 25;

/** The place in the video that is shown, told to whoever listens, without drawing the page anew. */
export function makeClock() {
  const listeners = new Set();
  return {
    seconds: 0,
    set(seconds) {
      this.seconds = seconds;
      listeners.forEach((listener) => listener(seconds));
    },
    listen(listener) {
      listeners.add(listener);
      listener(this.seconds);
      return () => listeners.delete(listener);
    },
  };
}

/** Seeks of a video element, of which only the last wanted one is kept while another runs. */
function makeSeeker(video) {
  let wanted = null;
  const start = () => {
    const seconds = wanted;
    wanted = null;
    video.currentTime = seconds;
  };
  video.addEventListener("seeked", () => wanted !== null && start());
  video.addEventListener("loadedmetadata", () => wanted !== null && start());
  return {
    to(seconds) {
      wanted = Math.max(0, Math.min(seconds, video.duration || Infinity));
      if (!video.seeking && video.readyState > 0) start();
    },
    /** Where the video is or is going to be. */
    place: () => wanted ?? video.currentTime,
  };
}

/** Tell the clock of each picture shown, and learn how long a frame lasts. */
function watchFrames(video, clock, frame) {
  let handle = 0;
  let last = null;
  const shown = (_, { mediaTime }) => {
    const gone = mediaTime - last;
    if (last !== null && gone > 0.001 && gone < 0.2) {
      frame.seconds = Math.min(frame.seconds ?? gone, gone);
    }
    last = video.playbackRate <= 1 ? mediaTime : null;
    clock.set(mediaTime);
    handle = video.requestVideoFrameCallback(shown);
  };
  handle = video.requestVideoFrameCallback(shown);
  return () => video.cancelVideoFrameCallback(handle);
}

/** Whether the server can play the video now; waits for its playable copy where one is needed. */
function useMedia(videoId, attempt) {
  const [media, setMedia] = useState({ ready: false, progress: null });
  useEffect(() => {
    const stop = new AbortController();
    setMedia({ ready: false, progress: null });
    attempt(
      "Opening the video",
      async () => {
        let state = await api.mediaState(videoId);
        if (!state.ready) {
          const job = state.job ?? (await api.askForMedia(videoId)).job;
          const heard = (kind, progress) => setMedia({ ready: false, progress });
          await follow(job, heard, stop.signal);
        }
      },
      () => {
        if (!stop.signal.aborted) setMedia({ ready: true, progress: null });
      },
    );
    return () => stop.abort();
  }, [videoId]);
  return media;
}

function JumpField({ seek }) {
  const [wrong, setWrong] = useState(false);
  const jump = (event) => {
    event.preventDefault();
    const field = event.target.elements.place;
    const seconds = parsePlace(field.value);
    setWrong(seconds === null);
    if (seconds === null) return;
    seek(seconds);
    field.blur();
  };
  return html`
    <form class="jump" onSubmit=${jump}>
      <label>
        <span>Go to</span>
        <input
          id="jump-field"
          name="place"
          size="7"
          autocomplete="off"
          placeholder="1:23.5"
          aria-invalid=${wrong ? "true" : "false"}
          aria-describedby="jump-hint"
        />
      </label>
      <span id="jump-hint" class=${wrong ? "wrong" : "unseen"}>a time such as 83.5 or 1:23.5</span>
    </form>
  `;
}

/** The video with its controls.
 *
 * @param controls a ref that gets `{seek, toggle, step, move, faster, again}`
 * @param loop the stretch to repeat, or null
 */
export function Player({ video, clock, controls, stretch, loop, setLoop, startSeconds, attempt }) {
  const media = useMedia(video.id, attempt);
  const element = useRef(null);
  const place = useRef(null);
  const frame = useRef({ seconds: null });
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [problem, setProblem] = useState("");
  const looped = useRef(null);
  looped.current = loop ? stretch : null;

  useEffect(() => {
    if (!media.ready) return undefined;
    const player = element.current;
    const seeker = makeSeeker(player);
    frame.current = { seconds: null };
    setProblem("");
    const seek = (seconds) => {
      seeker.to(seconds);
      clock.set(seconds);
    };
    const step = (frames) => {
      player.pause();
      const length = frame.current.seconds ?? USUAL_FRAME_SECONDS;
      // Half a frame more than the edge: a seek to the edge itself may show the picture before it.
      const number = Math.round(seeker.place() / length - 0.5) + frames;
      seek(Math.max(0, (number + 0.5) * length));
    };
    controls.current = {
      seek,
      step,
      toggle: () => (player.paused ? player.play().catch((e) => setProblem(e.message)) : player.pause()),
      again: ({ start_seconds: start }) => {
        seek(start);
        player.play();
      },
      move: (seconds) => seek(seeker.place() + seconds),
      faster: (by) => {
        const at = SPEEDS.indexOf(player.playbackRate);
        player.playbackRate = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + by))];
      },
    };
    seek(startSeconds.current);
    const stopWatching = watchFrames(player, clock, frame.current);
    return () => {
      stopWatching();
      controls.current = null;
    };
  }, [media.ready, video.id]);

  useEffect(
    () =>
      clock.listen((seconds) => {
        if (place.current) place.current.textContent = placeWords(seconds);
        const round = looped.current;
        const player = element.current;
        if (round && player && !player.paused && !player.seeking && seconds >= round.end_seconds) {
          controls.current?.seek(round.start_seconds);
        }
      }),
    [],
  );

  const call = (name, ...values) => () => controls.current?.[name](...values);
  const { progress } = media;
  const share = progress?.total ? progress.done / progress.total : undefined;
  return html`
    <div class="player">
      ${media.ready
        ? html`<video
            ref=${element}
            src=${api.mediaAddress(video.id)}
            muted
            playsinline
            preload="auto"
            tabindex="-1"
            aria-label=${`Video ${video.name}`}
            onClick=${call("toggle")}
            onPlay=${() => setPlaying(true)}
            onPause=${() => setPlaying(false)}
            onRateChange=${(e) => setSpeed(e.target.playbackRate)}
            onEnded=${() => looped.current && controls.current?.again(looped.current)}
            onError=${() => setProblem("The browser cannot play this video.")}
          />`
        : html`<div class="no-video">
            <p>${progress ? progress.text || "Making a copy that the browser can play" : "Opening …"}</p>
            ${progress &&
            html`<progress aria-label="Making a playable copy" value=${share}></progress>
              ${progress.seconds_left != null && html`<p>${spanWords(progress.seconds_left)} left</p>`}`}
          </div>`}
      ${problem && html`<p class="wrong" role="alert">${problem}</p>`}
      <div class="transport" role="group" aria-label="Player">
        <button type="button" class="main" onClick=${call("toggle")}>
          ${playing ? "Pause" : "Play"}
        </button>
        <button type="button" aria-label="One frame back" onClick=${call("step", -1)}>‹|</button>
        <button type="button" aria-label="One frame on" onClick=${call("step", 1)}>|›</button>
        <label class="inline">
          <span>Speed</span>
          <select
            value=${String(speed)}
            onChange=${(e) => element.current && (element.current.playbackRate = Number(e.target.value))}
          >
            ${SPEEDS.map((rate) => html`<option key=${rate} value=${String(rate)}>${rate}×</option>`)}
          </select>
        </label>
        <button type="button" aria-pressed=${loop ? "true" : "false"} onClick=${() => setLoop(!loop)}>
          Loop
        </button>
        <${JumpField} seek=${(seconds) => controls.current?.seek(seconds)} />
        <span class="place"><span ref=${place}></span> of ${placeWords(video.duration_seconds)}</span>
      </div>
      <${ClockTime} video=${video} clock=${clock} />
    </div>
  `;
}

function ClockTime({ video, clock }) {
  const words = useRef(null);
  useEffect(
    () =>
      clock.listen((seconds) => {
        if (words.current) words.current.textContent = clockWords(video.start_clock, seconds);
      }),
    [video.id],
  );
  return video.start_clock && html`<p class="soft clock">Recorded <span ref=${words}></span></p>`;
}

// Times as people read and type them.

/** A place in a video: `m:ss.s`, from one hour on `h:mm:ss.s`. */
export function placeWords(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const minutes = Math.floor(tenths / 600);
  const hours = Math.floor(minutes / 60);
  const two = (number) => String(number).padStart(2, "0");
  const front = hours ? `${hours}:${two(minutes % 60)}` : `${minutes}`;
  return `${front}:${two(Math.floor((tenths % 600) / 10))}.${tenths % 10}`;
}

/** The ticks of a time axis: without tenths unless the ticks are that close. */
export function tickWords(seconds, stepSeconds) {
  const words = placeWords(seconds);
  return stepSeconds < 1 ? words : words.slice(0, -2);
}

export function stretchWords(start, end) {
  return `${placeWords(start)} – ${placeWords(end)}`;
}

/** Seconds of a text such as `83.5`, `1:23.5` or `1:02:03`; null where it is no time. */
export function parsePlace(text) {
  const parts = text.trim().split(":");
  const well = parts.every((part, i) => /^\d+(\.\d+)?$/.test(part) && (i === 0 || part < 60));
  if (!well || parts.length > 3) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });

/** Date and time of a place in a video, in the browser's zone; empty where the file has none. */
export function clockWords(startClock, seconds) {
  const start = startClock ? Date.parse(startClock) : NaN;
  return Number.isFinite(start) ? moment.format(start + seconds * 1000) : "";
}

/** A stored UTC time in the browser's zone. */
export function madeWords(utc) {
  // Times of the store are UTC; one without a zone would be read as local time.
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(utc) ? utc : `${utc}Z`;
  const time = Date.parse(zoned);
  return Number.isFinite(time) ? short.format(time) : utc;
}

/** How long something takes or took, roughly. */
export function spanWords(seconds) {
  if (seconds < 90) return `${Math.max(0, seconds).toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function counted(number, one, many) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

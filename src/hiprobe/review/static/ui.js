// The one place that names the view library: templates, hooks and mounting.

import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { render };
export {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "./vendor/preact-hooks.js";

export const html = htm.bind(h);

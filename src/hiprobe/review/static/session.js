// Who is there: the token of the address, a session that is still open, or a log-in.

import { api } from "./api.js";
import { html, useEffect, useState } from "./ui.js";

/** The token of the address's fragment, taken out of the address so that nobody copies it on. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** What a role may do on the page; the server decides again for each request. */
export function rights(role) {
  const label = role === "reviewer" || role === "admin";
  return { label, threshold: role === "admin", accept: role === "admin" };
}

export function useSession() {
  const [state, setState] = useState({ session: null, problem: "", asking: false });
  const opened = (session) => setState({ session, problem: "", asking: false });
  const refused = (error) => setState({ session: null, problem: error.message, asking: true });
  useEffect(() => {
    const token = takeToken();
    const open = token ? api.logIn({ token }) : api.session();
    open.then(opened, (error) => {
      const fresh = !token && error.status === 401;
      setState({ session: null, problem: fresh ? "" : error.message, asking: true });
    });
  }, []);
  const logIn = (user, password) => api.logIn({ user, password }).then(opened, refused);
  const logOut = () => api.logOut().then(() => location.reload(), refused);
  return { ...state, logIn, logOut };
}

export function LogIn({ problem, logIn }) {
  const send = (event) => {
    event.preventDefault();
    const { user, password } = event.target.elements;
    logIn(user.value, password.value);
  };
  return html`
    <main class="log-in">
      <h1>HiProbe review</h1>
      <p>
        Open the address that <code>hiprobe review</code> printed. Where it asks for a password, log in
        here.
      </p>
      ${problem && html`<p class="wrong" role="alert">${problem}</p>`}
      <form onSubmit=${send}>
        <label><span>Name</span><input name="user" autocomplete="username" required /></label>
        <label>
          <span>Password</span>
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <button type="submit" class="main">Log in</button>
      </form>
    </main>
  `;
}

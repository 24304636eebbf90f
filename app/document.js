// Where a page is opened by its own address, Streamlit's browser side first looks for the server below that page: two answers
// "not found" in the console before it looks above. It is told.
window.__streamlit = { BACKEND_BASE_URL: new URL("./", window.location.href).href };

// Streamlit adds an entry to the history with every pin and switch, which Back would take one by one and change nothing: the
// session keeps what it has. Only another page is an entry of its own; Trace has two names.
const addEntry = window.history.pushState.bind(window.history);
const nameOfPage = (url) => new URL(url ?? "", window.location.href).pathname.replace(/\/trace$/, "/");
window.history.pushState = (state, title, url) => {
  const isSamePage = nameOfPage(url) === nameOfPage(window.location.href);
  if (isSamePage) window.history.replaceState(state, title, url);
  else addEntry(state, title, url);
};

// A download takes the focus out of its dialog, which then hears no Escape.
window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.activeElement !== document.body) return;
  document.querySelector("[role=dialog] button[aria-label=Close]")?.click();
});

// The modules of charts, tables and upload fields are fetched and compiled once the first picture is there and nothing else
// goes on, not when a page that shows one is opened.
function fetchLaterModules() {
  for (const name of window.laterModules) {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = new URL(`static/js/${name}`, window.__streamlit.BACKEND_BASE_URL).href;
    document.head.append(link);
  }
}

// Components live in trees of their own.
function isPainted() {
  const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  return hosts.some((host) => host.shadowRoot?.querySelector(".li-root[data-ready=true]"));
}

const PATIENCE_MS = 60_000; // Images, Adapt and Compare have no such picture
const untilPainted = setInterval(() => {
  if (!isPainted() && performance.now() < PATIENCE_MS) return;
  clearInterval(untilPainted);
  setTimeout(fetchLaterModules, 1000);
}, 250);

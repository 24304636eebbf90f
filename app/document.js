// Where a page is opened by its own address, Streamlit's browser side first looks for the server below that page: two answers
// "not found" in the console before it looks above. It is told.
window.__streamlit = { BACKEND_BASE_URL: new URL("./", window.location.href).href };

// A download takes the focus out of its dialog, which then hears no Escape.
window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.activeElement !== document.body) return;
  document.querySelector("[role=dialog] button[aria-label=Close]")?.click();
});

// Streamlit calls this again with each new pair of pictures; the divider stays where a person put it.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".ba-root");
  const find = (name) => root.querySelector(`.ba-${name}`);
  const [frame, range] = [find("frame"), find("range")];
  frame.style.aspectRatio = `${data.width} / ${data.height}`;
  const [beforeName, afterName] = data.names;
  find("left").textContent = beforeName;
  find("right").textContent = afterName;
  find("before").alt = beforeName;
  find("after").alt = afterName;
  range.setAttribute("aria-label", `Divider between ${beforeName} and ${afterName}`);

  const place = () => {
    const share = range.value / 10;
    frame.style.setProperty("--at", `${share}%`);
    range.setAttribute("aria-valuetext", `${Math.round(share)} % ${beforeName}`);
  };
  range.oninput = place;
  // A track's ends keep half a thumb of room; the pointer's own place does not.
  range.onpointermove = range.onpointerdown = (event) => {
    if (event.type === "pointermove" && !(event.buttons & 1)) return;
    const box = frame.getBoundingClientRect();
    range.value = Math.round((1000 * (event.clientX - box.left)) / box.width);
    place();
  };
  range.onkeydown = (event) => {
    const moved = { ArrowLeft: -20, ArrowRight: 20 }[event.key];
    if (moved === undefined) return;
    range.value = Number(range.value) + moved;
    place();
    event.preventDefault();
  };

  const show = (name, picture) => {
    const image = find(name);
    image.src = `data:image/jpeg;base64,${picture}`;
    return image.decode().catch(() => {});
  };
  Promise.all([show("before", data.before), show("after", data.after)]).then(() => {
    root.dataset.ready = "true";
  });
  place();
}

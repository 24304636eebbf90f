// The address is the one of the moment of the click: Python keeps it up to date. Layers, opacity and zoom live in the browser.

const SAID_MS = 4000;
const TITLE = "Copy a link that brings back images, net, page, pinned pixel, probes, switches, layers and zoom";

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no secure page (http from another machine), or not allowed
  }
}

function makeLink() {
  const link = new URL(window.location.href);
  const look = window.cycleLensLook?.();
  if (look) link.searchParams.set("look", look);
  return link.href;
}

export default function ({ data, parentElement }) {
  const find = (name) => parentElement.querySelector(`.cl-${name}`);
  const [button, address, said] = [find("copy"), find("address"), find("said")];
  button.textContent = "Copy link";
  button.title = TITLE;
  let timer = 0;

  const say = (text) => {
    said.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => (said.textContent = ""), SAID_MS);
  };

  button.onclick = async () => {
    const link = makeLink();
    if (await copyText(link)) {
      address.hidden = true;
      say(["Link copied.", data.note].filter(Boolean).join(" "));
    } else {
      address.hidden = false;
      address.value = link;
      address.select();
      say(["This browser lets no page copy here: press Ctrl + C.", data.note].filter(Boolean).join(" "));
    }
  };
  return () => clearTimeout(timer);
}

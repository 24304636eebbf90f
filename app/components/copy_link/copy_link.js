// The address is the one of the moment of the click: Python keeps it up to date.

const SAID_MS = 4000;
const TITLE = "Copy a link that brings back images, net, page, pinned pixel, probes and switches";

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no secure page (http from another machine), or not allowed
  }
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
    const link = window.location.href;
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

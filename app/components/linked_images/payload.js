// Messages from Python; decoded images and features, which all mounts of this module share by content hash.

const utf8 = new TextDecoder();

function readMessage(bytes) {
  const headerLength = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(utf8.decode(bytes.subarray(4, 4 + headerLength)));
  const start = 4 + headerLength;
  const sections = header.sections.map(([offset, length]) => bytes.subarray(start + offset, start + offset + length));
  return { header, sections };
}

// What large messages hold, decoded once: mounts that carry a message publish it, viewers ask for it by its hash.
function createStore(decode) {
  const kept = new Map(); // hash -> Map of owner -> promise of what was decoded
  const awaited = new Map(); // hash -> functions to call once it is there
  let last = null; // what nobody carries any more: the next page mostly shows the same pair

  function withdraw(owner) {
    for (const [hash, owners] of kept) {
      const promise = owners.get(owner);
      if (owners.delete(owner) && owners.size === 0) {
        kept.delete(hash);
        last = { hash, promise };
      }
    }
  }

  function publish(owner, message) {
    const { hash } = message.header;
    if (kept.get(hash)?.has(owner)) return;
    withdraw(owner);
    const owners = kept.get(hash) ?? new Map();
    const known = owners.values().next().value ?? (last?.hash === hash ? last.promise : null);
    const promise = known ?? decode(message);
    last = null;
    kept.set(hash, owners.set(owner, promise));
    for (const resolve of awaited.get(hash) ?? []) resolve(promise);
    awaited.delete(hash);
  }

  function request(hash) {
    const owners = kept.get(hash);
    if (owners) return owners.values().next().value;
    return new Promise((resolve) => {
      awaited.set(hash, [...(awaited.get(hash) ?? []), resolve]);
    });
  }

  return { publish, request, withdraw };
}

async function decodePane(description, sections) {
  const blob = new Blob([sections[description.jpeg]], { type: "image/jpeg" });
  const bitmap = await createImageBitmap(blob);
  const classIds = description.classIds === null ? null : sections[description.classIds];
  return { bitmap, classIds, classNames: description.classNames, title: description.title };
}

async function decodePictures({ header, sections }) {
  const [source, target] = await Promise.all(
    ["source", "target"].map((side) => decodePane(header.panes[side], sections)),
  );
  return { source, target };
}

const stores = { images: createStore(decodePictures), features: createStore(decodeFeatures) };

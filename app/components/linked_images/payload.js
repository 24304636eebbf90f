// Messages from Python, and the decoded images, which all mounts of this module share by content hash.

const utf8 = new TextDecoder();

function readMessage(bytes) {
  const headerLength = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(utf8.decode(bytes.subarray(4, 4 + headerLength)));
  const start = 4 + headerLength;
  const sections = header.sections.map(([offset, length]) => bytes.subarray(start + offset, start + offset + length));
  return { header, sections };
}

const pictureSets = new Map(); // hash -> Map of owner -> promise of { source, target }
const awaited = new Map(); // hash -> functions to call once the set is there

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

function publishPictures(owner, message) {
  const { hash } = message.header;
  if (pictureSets.get(hash)?.has(owner)) return;
  withdrawPictures(owner);
  const owners = pictureSets.get(hash) ?? new Map();
  const promise = owners.values().next().value ?? decodePictures(message);
  pictureSets.set(hash, owners.set(owner, promise));
  for (const resolve of awaited.get(hash) ?? []) resolve(promise);
  awaited.delete(hash);
}

function withdrawPictures(owner) {
  for (const [hash, owners] of pictureSets) {
    if (owners.delete(owner) && owners.size === 0) pictureSets.delete(hash);
  }
}

function requestPictures(hash) {
  const owners = pictureSets.get(hash);
  if (owners) return owners.values().next().value;
  return new Promise((resolve) => {
    awaited.set(hash, [...(awaited.get(hash) ?? []), resolve]);
  });
}

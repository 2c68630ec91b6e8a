"use strict";
const $ = (id) => document.getElementById(id);

// What lies in the page as base64 of gzip
const bytes = (id) => Uint8Array.from(atob($(id).textContent), (letter) => letter.charCodeAt(0));
const unpacked = (id) => new Response(new Blob([bytes(id)]).stream().pipeThrough(new DecompressionStream("gzip")));

function save(content, name) {
  const link = document.createElement("a");
  link.href = content instanceof Blob ? URL.createObjectURL(content) : content;
  link.download = name;
  link.click();
  if (content instanceof Blob) setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

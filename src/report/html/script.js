
"use strict";
(() => {
  const filter = document.getElementById("filter");
  const words = document.getElementById("words");
  const count = document.getElementById("count");
  const boxes = [...filter.querySelectorAll("input[type=checkbox]")];
  const items = [...document.querySelectorAll(".finding")].map((item) => [item, item.textContent.toLowerCase()]);
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const [item, text] of items) {
      const show = severities.has(item.dataset.severity) && wanted.every((word) => text.includes(word));
      item.hidden = !show;
      shown += show ? 1 : 0;
    }
    count.textContent = `${shown} of ${items.length}`;
  };
  filter.hidden = false;
  filter.addEventListener("input", apply);
  apply();
})();

// Charts over time may be looked at closely: a button puts uPlot in the place of the drawing, where dragging
// zooms in and a double click zooms out.

const { uplot, style } = document.getElementById("zoom").dataset;
let loading;

function load() {
  loading ??= new Promise((done, failed) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: style });
    const script = Object.assign(document.createElement("script"), { src: uplot, onload: done, onerror: failed });
    document.head.append(link, script);
  });
  return loading;
}

function offer(root) {
  for (const place of root.querySelectorAll("[data-zoom]:not([data-offered])")) {
    place.dataset.offered = "";
    const button = Object.assign(document.createElement("button"), { className: "zoom-button", type: "button", textContent: "Zoom" });
    button.onclick = () => toggle(place, button);
    place.append(button);
  }
}

async function toggle(place, button) {
  if ("zoomed" in place.dataset) {
    place.querySelector(".uplot").remove();
    place.querySelector("svg").style.display = "";
    delete place.dataset.zoomed;
    place.dispatchEvent(new CustomEvent("unzoomed", { bubbles: true }));
  } else {
    await load();
    draw(place);
    place.dataset.zoomed = "";
  }
  button.textContent = "zoomed" in place.dataset ? "Back" : "Zoom";
}

function draw(place) {
  const drawing = place.querySelector("svg");
  const { names, data, unit } = JSON.parse(place.dataset.zoom);
  const look = getComputedStyle(document.documentElement);
  const colour = (name) => resolve(look.getPropertyValue(name));
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { show: false } };
  const series = names.map((label, number) => ({
    label, stroke: colour(`--s${number + 1}`), width: 2, value: (_, value) => (value == null ? "–" : value.toFixed(2) + unit),
  }));
  const options = { width: place.clientWidth, height: 240, series: [{ label: "Time (UTC)" }, ...series], axes: [axis, axis], tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC") };
  drawing.style.display = "none";
  const holder = document.createElement("div");
  place.insertBefore(holder, place.lastChild);
  new uPlot(options, data, holder);
  holder.replaceWith(holder.firstChild);
}

function resolve(colour) { // a canvas knows no light-dark()
  const probe = document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
  probe.style.color = colour;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

document.addEventListener("region", (event) => offer(event.target));
offer(document);

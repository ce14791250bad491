// Colours of minutes, light to dark: also in grey and for colour-blind eyes (the stops are viridis).

const STOPS = ["#fde725", "#b5de2b", "#6ece58", "#35b779", "#1f9e89", "#26828e", "#31688e", "#3e4989", "#482878", "#440154"];
const MAX_MINUTES = 75;
const CHANNELS = STOPS.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));

// The same minutes have the same colour at every hour, so that hours can be compared.
export function colourOf(minutes) {
  const place = (Math.min(Math.max(minutes, 0), MAX_MINUTES) / MAX_MINUTES) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  const mixed = CHANNELS[low].map((from, channel) => Math.round(from + (CHANNELS[low + 1][channel] - from) * (place - low)));
  return `rgb(${mixed.join(" ")})`;
}

export function drawLegend(element) {
  const ticks = [0, 15, 30, 45, 60, MAX_MINUTES];
  for (const minutes of ticks) {
    const tick = document.createElement("span");
    tick.textContent = minutes === MAX_MINUTES ? `${minutes}+ min` : String(minutes);
    tick.style.setProperty("--colour", colourOf(minutes));
    element.append(tick);
  }
}

// The rider's page: a question, its answer, and the whole city coloured by minutes from the start.

import { EndpointError, model, predict, predictCity, cityMap } from "./endpoint.js";
import { drawLegend } from "./minutes_scale.js";
import { dropoffTime, hourOf, isTime, now, withHour } from "./new_york_time.js";
import { addressOf, readQuestion } from "./question.js";
import { CityMap } from "./city_map.js";
import { ZoneSearch } from "./zone_search.js";

const $ = (id) => document.getElementById(id);
const ROLES = ["pickup", "dropoff"];

let zones = new Map();
let zoneIds = [];
let map;
let question = { pickup: null, dropoff: null, at: null, service: null };
let nextRole = "pickup"; // the field that a click on the map fills
let latest = { ride: 0, city: 0 }; // the newest shown answers: an older one that comes later is left out
let asked = 0;
let minutes = new Map(); // of the shown city, by zone
const searches = {};
let modelVersion; // of the line that names the model

function show(element, text) {
  element.hidden = !text;
  element.textContent = text;
}

function duration(value) {
  const whole = Math.max(Math.round(value), 1);
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

function showAnswer(answer, at) {
  const [low, high] = answer.interval_90.map(Math.round);
  show($("minutes"), duration(answer.duration_minutes));
  show($("sentence"), `About ${Math.round(answer.duration_minutes)} minutes, nine times in ten between ${low} and ${high}.`);
  show($("dropoff-time"), `Leaving at ${at.slice(11)}, you arrive about ${dropoffTime(answer.dropoff_at, at)}, New York time.`);
  const traffic = answer.recent_traffic;
  const notes = [
    `Answered by version ${answer.model_version} of the model.`,
    ...answer.warnings,
    traffic.known
      ? `Knows the traffic up to ${duration(traffic.age_seconds / 60)} before the pickup.`
      : "Does not know the recent traffic: it goes by the hour and the weekday.",
  ];
  $("notes").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
  $("notes").hidden = false;
  $("answer").dataset.at = at;
  $("answer").dataset.version = answer.model_version;
  if (answer.variant === "champion" && answer.model_version !== modelVersion) showModel().catch(showProblem);
}

function hideAnswer(sentence) {
  for (const id of ["minutes", "dropoff-time", "notes"]) $(id).hidden = true;
  show($("sentence"), sentence);
  delete $("answer").dataset.at;
  latest = { ride: asked, city: asked };
}

function showProblem(error) {
  if (!(error instanceof EndpointError)) throw error;
  show($("problem-text"), error.message);
  $("problem").hidden = false;
}

async function askRide(asking) {
  if (asking.pickup === null) return hideAnswer("Choose where the ride starts: type above, or click on the map.");
  if (asking.dropoff === null) return hideAnswer("Choose where the ride ends: type above, or click on the map.");
  const number = asked;
  const answer = await predict(asking);
  if (number < latest.ride) return undefined;
  latest.ride = number;
  return showAnswer(answer, asking.at);
}

async function askCity(asking) {
  $("hours").hidden = asking.pickup === null;
  if (asking.pickup === null) return paintCity(new Map(), asking.at);
  const number = asked;
  const found = await predictCity(asking, zoneIds);
  if (number < latest.city) return undefined;
  latest.city = number;
  return paintCity(new Map(zoneIds.map((id, index) => [id, found[index]])), asking.at);
}

function paintCity(found, at) {
  performance.mark("repaint-begins");
  minutes = found;
  map.paint(minutes);
  $("city").dataset.at = at;
  performance.measure("repaint", "repaint-begins");
}

async function refresh() {
  history.replaceState(null, "", addressOf(question, location.href));
  const asking = { ...question, at: question.at ?? now() };
  showQuestion(asking);
  asked += 1;
  const number = asked;
  try {
    await Promise.all([askRide(asking), askCity(asking)]);
    if (number === asked) hideProblem();
  } catch (error) {
    if (number !== asked) return; // a newer question has its own answer
    hideAnswer("There is no answer to this question.");
    paintCity(new Map(), "");
    showProblem(error);
  }
}

function showQuestion({ pickup, dropoff, at }) {
  for (const role of ROLES) searches[role].show(zones.get(question[role]) ?? null);
  $("at").value = at;
  $("now").setAttribute("aria-pressed", String(question.at === null));
  $("hour").value = hourOf(at);
  $("hour").setAttribute("aria-valuetext", at.slice(11));
  $("hour-text").textContent = at.slice(11);
  $("hour-zone").textContent = zones.get(pickup)?.name ?? "";
  $("share").hidden = pickup === null || dropoff === null;
  $("shared").textContent = "";
  map.mark({ A: pickup, B: dropoff });
  markNextRole();
}

function change(changes) {
  question = { ...question, ...changes };
  return refresh();
}

function choose(role, id) {
  nextRole = id === null || question[ROLES[1 - ROLES.indexOf(role)]] === null ? ROLES[1 - ROLES.indexOf(role)] : role;
  if (id === null) nextRole = role;
  return change({ [role]: id });
}

function focusEmptyField() {
  const empty = ROLES.find((role) => question[role] === null);
  if (empty) $(empty).focus();
}

function hideProblem() {
  if ($("problem").contains(document.activeElement)) $("answer").focus(); // a hidden button would lose the focus
  $("problem").hidden = true;
}

function markNextRole() {
  for (const field of document.querySelectorAll(".zone")) field.classList.toggle("next", field.dataset.role === nextRole);
}

function hover(id) {
  const zone = zones.get(id);
  const time = minutes.has(id) ? ` · ${duration(minutes.get(id))}` : "";
  $("hover").textContent = zone ? `${zone.name}, ${zone.borough}${time}` : "";
}

function listen() {
  $("question").addEventListener("submit", (event) => event.preventDefault());
  $("swap").addEventListener("click", () => change({ pickup: question.dropoff, dropoff: question.pickup }));
  $("at").addEventListener("change", () => isTime($("at").value.slice(0, 16)) && change({ at: $("at").value.slice(0, 16) }));
  $("now").addEventListener("click", () => change({ at: null }));
  $("hour").addEventListener("input", () => change({ at: withHour(question.at ?? now(), Number($("hour").value)) }));
  $("service").addEventListener("change", () => change({ service: $("service").value }));
  $("retry").addEventListener("click", () => (map ? refresh() : start()));
  $("zoom-in").addEventListener("click", () => map.zoom(1 / 1.6));
  $("zoom-out").addEventListener("click", () => map.zoom(1.6));
  $("zoom-all").addEventListener("click", () => map.showAll());
  $("share").addEventListener("click", share);
}

async function share() {
  try {
    await navigator.clipboard.writeText(location.href);
    $("shared").textContent = "Copied.";
  } catch {
    $("shared").textContent = "The address bar has the link.";
  }
}

async function showModel() {
  const facts = await model();
  modelVersion = facts.version;
  const errors = facts.evaluation?.rmse_minutes;
  const parts = [
    `Model version ${facts.version}`,
    facts.facts.window ? `trained on ${facts.facts.window}` : "",
    errors ? `typical error ${errors.with_recent_traffic.toFixed(2)} minutes with recent traffic, ${errors.without_recent_traffic.toFixed(2)} without, on ${facts.evaluation.month}` : "",
    facts.synthetic ? "trained on synthetic trips: not about the real New York" : "",
  ];
  $("model").textContent = `${parts.filter(Boolean).join(" · ")}.`;
  $("service").replaceChildren(...facts.services.map((name) => new Option(name, name)));
  $("service-field").hidden = facts.services.length < 2;
  if (facts.services.includes(question.service)) $("service").value = question.service;
}

async function start() {
  try {
    const drawn = await cityMap();
    zones = new Map(drawn.zones.map((zone) => [zone.id, zone]));
    zoneIds = [...zones.keys()];
    question = readQuestion(location.href, zones);
    nextRole = question.pickup === null ? "pickup" : "dropoff";
    map = new CityMap($("map"), drawn, { onPick: (id) => choose(nextRole, id), onHover: hover });
    for (const role of ROLES) {
      const callbacks = {
        onChoose: (zone) => choose(role, zone?.id ?? null),
        onPick: focusEmptyField,
        onFocus: () => { nextRole = role; markNextRole(); },
      };
      searches[role] = new ZoneSearch($(role), $(`${role}-list`), drawn.zones, callbacks);
    }
    await Promise.all([refresh(), showModel()]);
  } catch (error) {
    showProblem(error);
  }
}

drawLegend($("legend"));
listen();
start();
